package trellis

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/extism/go-pdk"
)

// HostError is what a host function answers instead, by its name in the world: compare it, or read it. A label or an alias
// that the manifest does not name ends the event.
type HostError string

const (
	// ErrUnavailable: not in the grant, or not there; which of the two is not told.
	ErrUnavailable HostError = "unavailable"
	// ErrConflict: the revision is not the one expected; read again and retry.
	ErrConflict HostError = "conflict"
	// ErrLimit: too many, or too large.
	ErrLimit HostError = "limit"
	// ErrTooLarge: the key or the value is over the limit.
	ErrTooLarge HostError = "too-large"
	// ErrWrongCategory: not one that the contract lists.
	ErrWrongCategory HostError = "wrong-category"
	// ErrFull: it does not go into what the contract gives of space.
	ErrFull HostError = "full"
)

func (name HostError) Error() string { return string(name) }

type answer struct {
	Ok  json.RawMessage `json:"ok"`
	Err json.RawMessage `json:"err"`
}

// Calls a host function with a request as JSON (nil: an empty one), and reads what it answers. Both blocks are given back.
func ask(function func(uint64) uint64, request, into any) error {
	var asked pdk.Memory
	if request != nil {
		asked = pdk.AllocateBytes(encoded(request))
		defer asked.Free()
	}
	answered := pdk.FindMemory(function(asked.Offset()))
	defer answered.Free()
	var said answer
	must(json.Unmarshal(answered.ReadBytes(), &said))
	if said.Err != nil {
		return errorOf(said.Err)
	}
	if into != nil {
		must(json.Unmarshal(said.Ok, into))
	}
	return nil
}

// A name, or an object with the name as its one key.
func errorOf(said json.RawMessage) error {
	var name HostError
	if json.Unmarshal(said, &name) == nil {
		return name
	}
	var detailed map[HostError]json.RawMessage
	must(json.Unmarshal(said, &detailed))
	for name = range detailed {
	}
	return name
}

func encoded(value any) []byte {
	bytes, err := json.Marshal(value)
	must(err)
	return bytes
}

// What the host says is JSON, and what it is told too: anything else is a mistake that the event ends with.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Bytes travel as base64url without padding.
type octets []byte

func (bytes octets) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, bytes), nil
}

func (bytes *octets) UnmarshalText(text []byte) error {
	decoded, err := base64.RawURLEncoding.AppendDecode(nil, text)
	*bytes = decoded
	return err
}

// -- fields -----------------------------------------------------------------------------------------------------------

//go:wasmimport extism:host/user trellis_fields_get
func hostField(request uint64) uint64

// Field gives a personal field that this event was admitted for.
func Field(name string) (value string, err error) {
	err = ask(hostField, struct {
		Name string `json:"name"`
	}{name}, &value)
	return
}

// -- session ----------------------------------------------------------------------------------------------------------

//go:wasmimport extism:host/user trellis_session
func hostSession(request uint64) uint64

// Session is who asks, told by the host.
type Session struct {
	// The owner's alias for the connection.
	Connection string `json:"connection"`
	// "service" or "peer".
	Kind            string `json:"kind"`
	ContractVersion uint32 `json:"contract_version"`
	EventID         string `json:"event_id"`
	EventType       string `json:"event_type"`
	DeadlineMs      uint32 `json:"deadline_ms"`
	// The owner approved this very request.
	Approved bool `json:"approved"`
	// The connection's own id: it stays when the owner changes the alias.
	ConnectionID string `json:"connection_id"`
}

func CurrentSession() (session Session) {
	must(ask(hostSession, nil, &session))
	return
}

// -- keys -------------------------------------------------------------------------------------------------------------

//go:wasmimport extism:host/user trellis_keys_list
func hostKeys(request uint64) uint64

//go:wasmimport extism:host/user trellis_keys_public
func hostPublicKey(request uint64) uint64

//go:wasmimport extism:host/user trellis_keys_sign
func hostSign(request uint64) uint64

//go:wasmimport extism:host/user trellis_keys_algorithm
func hostAlgorithm(request uint64) uint64

type keyUse struct {
	Alias   string  `json:"alias"`
	Message *octets `json:"message,omitempty"`
}

// Keys lists the aliases in the grant.
func Keys() (aliases []string) {
	must(ask(hostKeys, nil, &aliases))
	return
}

// Algorithm names what a key signs with: "ed25519", "ecdsa-secp256k1" or "bip340".
func Algorithm(alias string) (name string, err error) {
	err = ask(hostAlgorithm, keyUse{Alias: alias}, &name)
	return
}

// PublicKey gives the raw public key.
func PublicKey(alias string) ([]byte, error) {
	var key octets
	err := ask(hostPublicKey, keyUse{Alias: alias}, &key)
	return key, err
}

// Sign signs with a key of the grant, which stays with the host.
func Sign(alias string, message []byte) ([]byte, error) {
	var signature octets
	err := ask(hostSign, keyUse{alias, (*octets)(&message)}, &signature)
	return signature, err
}

// -- outbox, approval, clock, random ----------------------------------------------------------------------------------

//go:wasmimport extism:host/user trellis_outbox_emit
func hostEmit(request uint64) uint64

//go:wasmimport extism:host/user trellis_outbox_notify_owner
func hostNotifyOwner(request uint64) uint64

//go:wasmimport extism:host/user trellis_outbox_send
func hostSend(request uint64) uint64

//go:wasmimport extism:host/user trellis_audit_note
func hostNote(request uint64) uint64

//go:wasmimport extism:host/user trellis_approval
func hostApproval(request uint64) uint64

//go:wasmimport extism:host/user trellis_clock_now
func hostNow(request uint64) uint64

//go:wasmimport extism:host/user trellis_random_bytes
func hostRandom(request uint64) uint64

type letter struct {
	To   string `json:"to,omitempty"`
	Type string `json:"type"`
	Body octets `json:"body"`
}

// Emit sends an event to the connection that asked; the body is written as JSON. It leaves with the commit.
func Emit(eventType string, body any) error {
	return ask(hostEmit, letter{Type: eventType, Body: encoded(body)}, nil)
}

// Send sends an event to another connection by the owner's alias for it.
func Send(to, eventType string, body any) error {
	return ask(hostSend, letter{to, eventType, encoded(body)}, nil)
}

// NotifyOwner sends a notice to the owner's devices.
func NotifyOwner(eventType string, body any) error {
	return ask(hostNotifyOwner, letter{Type: eventType, Body: encoded(body)}, nil)
}

// Note adds a fact to the owner's audit trail: 1 to 256 bytes, at most 8 an event.
func Note(fact string) error {
	return ask(hostNote, struct {
		Fact string `json:"fact"`
	}{fact}, nil)
}

// Approval is the owner's answer to a question that this handler asked with Suspended. A no never gets here.
type Approval struct {
	// False when nobody was asked yet.
	IsAnswered bool
	// One of the choices, to the letter; empty for a plain yes.
	Choice string
}

func CurrentApproval() Approval {
	var said json.RawMessage
	must(ask(hostApproval, nil, &said))
	var chosen struct {
		Choice string `json:"chosen"`
	}
	if json.Unmarshal(said, &chosen) == nil {
		return Approval{true, chosen.Choice}
	}
	return Approval{string(said) == `"yes"`, ""}
}

// Now is the time at which the host took the event up. It stands still; so does time.Now.
func Now() time.Time {
	var ms int64
	must(ask(hostNow, nil, &ms))
	return time.UnixMilli(ms)
}

// Random gives secure bytes, at most 1,024 a call. With `random` in the manifest crypto/rand has them, too.
func Random(size int) []byte {
	var bytes octets
	must(ask(hostRandom, struct {
		Length int `json:"length"`
	}{size}, &bytes))
	return bytes
}

// -- log --------------------------------------------------------------------------------------------------------------

// Lines for the operator, without personal data.
func Debug(line string) { write(pdk.LogDebug, line) }
func Info(line string)  { write(pdk.LogInfo, line) }
func Warn(line string)  { write(pdk.LogWarn, line) }
func Error(line string) { write(pdk.LogError, line) }

// As pdk.Log does, which keeps the block.
func write(level pdk.LogLevel, line string) {
	text := pdk.AllocateString(line)
	defer text.Free()
	pdk.LogMemory(level, text)
}
