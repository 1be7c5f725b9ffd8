// Package trellis is the handler's world for Go: the host functions of a Trellis host, over Extism's PDK. What is not
// called is not imported, and a host lets in no import that the manifest does not need.
package trellis

import "github.com/extism/go-pdk"

// Ended is how an event ended.
type Ended struct{ output any }

type replied struct {
	Reply any `json:"reply"`
}

type accepted struct {
	Accepted bool `json:"accepted"`
}

type suspended struct {
	Question question `json:"suspended"`
}

type question struct {
	Text    string   `json:"text"`
	Choices []string `json:"choices"`
}

type refused struct {
	Refusal refusal `json:"refusal"`
}

type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   bool   `json:"retry"`
}

// Reply answers with this value as JSON. The host checks it against the manifest's schema.
func Reply(value any) Ended { return Ended{replied{value}} }

// Accepted is for an event that is done, with nothing to say beyond that.
func Accepted() Ended { return Ended{accepted{true}} }

// Suspended asks the owner first: writes of this call are dropped, and the request is handled anew with the answer in
// CurrentApproval. Without choices it is a plain yes or no.
func Suspended(text string, choices ...string) Ended {
	return Ended{suspended{question{text, append([]string{}, choices...)}}}
}

// Refused is the handler's own no: code is kebab-case, message is for the asker. Writes of the event are dropped.
func Refused(code, message string) Ended { return Ended{refused{refusal{code, message, false}}} }

// RefusedForNow is a no that may be a yes later.
func RefusedForNow(code, message string) Ended { return Ended{refused{refusal{code, message, true}}} }

var handler func(body []byte) Ended

// Handle names the handler: call it in an init function. Its body is JSON, checked against the manifest's schema.
func Handle(handle func(body []byte) Ended) { handler = handle }

//go:wasmexport handle
func handle() int32 {
	if handler == nil {
		panic("no handler: call trellis.Handle in an init function")
	}
	must(pdk.OutputJSON(handler(pdk.Input()).output))
	return 0
}
