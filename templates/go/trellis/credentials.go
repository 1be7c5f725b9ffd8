package trellis

//go:wasmimport extism:host/user trellis_credentials_list
func hostCredentials(request uint64) uint64

//go:wasmimport extism:host/user trellis_credentials_prove
func hostProve(request uint64) uint64

// Credential is what is told of a credential: never what it claims.
type Credential struct {
	Alias  string   `json:"alias"`
	Kind   string   `json:"kind"`
	Issuer string   `json:"issuer"`
	Label  string   `json:"label"`
	Claims []string `json:"claims"`
	// Milliseconds since the epoch; nil when it does not expire.
	Expires *uint64 `json:"expires"`
}

// Credentials lists those in the grant.
func Credentials() (credentials []Credential) {
	must(ask(hostCredentials, nil, &credentials))
	return
}

// Prove shows these claims, which this event was admitted for, bound to the asker's nonce.
func Prove(alias string, disclose []string, nonce []byte) ([]byte, error) {
	var proof octets
	err := ask(hostProve, struct {
		Alias    string   `json:"alias"`
		Disclose []string `json:"disclose"`
		Nonce    octets   `json:"nonce"`
	}{alias, append([]string{}, disclose...), nonce}, &proof)
	return proof, err
}
