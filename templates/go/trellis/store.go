package trellis

//go:wasmimport extism:host/user trellis_store_get
func hostGet(request uint64) uint64

//go:wasmimport extism:host/user trellis_store_put
func hostPut(request uint64) uint64

//go:wasmimport extism:host/user trellis_store_delete
func hostDelete(request uint64) uint64

//go:wasmimport extism:host/user trellis_store_scan
func hostScan(request uint64) uint64

// Namespace is a namespace of the grant by its label; "connection" is the asker's own.
type Namespace string

// Item is what a key holds.
type Item struct {
	Key   string
	Value []byte
	// Revision grows with every write of this key.
	Revision uint64
	Attributes
}

// Attributes say who of the owner's sees an item, and of which category of the contract it is; empty for none.
type Attributes struct {
	// "transparent" or "opaque".
	Visibility string `json:"visibility"`
	Category   string `json:"category,omitempty"`
	// "data", "secret" or "critical"; what is stricter already stays so. Empty in what is read.
	Sensitivity string `json:"sensitivity,omitempty"`
}

type item struct {
	Attributes
	Key      string `json:"key"`
	Value    octets `json:"value"`
	Revision uint64 `json:"revision"`
}

// Page is a part of a scan.
type Page struct {
	Items []Item
	// Next is to be passed to read on; nil at the end.
	Next *string
}

type keyed struct {
	Label      Namespace   `json:"label"`
	Key        string      `json:"key"`
	Value      *octets     `json:"value,omitempty"`
	Expected   *uint64     `json:"expected,omitempty"`
	Attributes *Attributes `json:"attributes,omitempty"`
}

// Get gives nil when nothing is there.
func (namespace Namespace) Get(key string) (*Item, error) {
	var found *item
	if err := ask(hostGet, keyed{Label: namespace, Key: key}, &found); err != nil || found == nil {
		return nil, err
	}
	return &Item{found.Key, found.Value, found.Revision, found.Attributes}, nil
}

// Put writes; the last write wins.
func (namespace Namespace) Put(key string, value []byte) error {
	return ask(hostPut, keyed{Label: namespace, Key: key, Value: (*octets)(&value)}, nil)
}

// PutAt writes only when the key is at this revision; 0: only when it is absent.
func (namespace Namespace) PutAt(key string, value []byte, expected uint64) error {
	return ask(hostPut, keyed{Label: namespace, Key: key, Value: (*octets)(&value), Expected: &expected}, nil)
}

// PutAs writes with attributes; the last write wins.
func (namespace Namespace) PutAs(key string, value []byte, attributes Attributes) error {
	return ask(hostPut, keyed{Label: namespace, Key: key, Value: (*octets)(&value), Attributes: &attributes}, nil)
}

func (namespace Namespace) Delete(key string) error {
	return ask(hostDelete, keyed{Label: namespace, Key: key}, nil)
}

// Scan gives at most `limit` keys, and at most 256, that start with prefix, in byte order, after `after` when it is given.
func (namespace Namespace) Scan(prefix string, after *string, limit int) (Page, error) {
	var found struct {
		Items []item  `json:"items"`
		Next  *string `json:"next"`
	}
	err := ask(hostScan, struct {
		Label  Namespace `json:"label"`
		Prefix string    `json:"prefix"`
		After  *string   `json:"after,omitempty"`
		Limit  int       `json:"limit"`
	}{namespace, prefix, after, limit}, &found)
	page := Page{Next: found.Next}
	for _, one := range found.Items {
		page.Items = append(page.Items, Item{one.Key, one.Value, one.Revision, one.Attributes})
	}
	return page, err
}
