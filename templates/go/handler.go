// `__name__.greet`: who asks, and for which fields, is settled before this runs.
package main

import (
	"strconv"

	"trellis.example/__name__/trellis"
)

func init() { trellis.Handle(greet) }

// The host calls the handler, and never this.
func main() {}

type greeting struct {
	Greeting string `json:"greeting"`
	Visits   int    `json:"visits"`
}

func greet(body []byte) trellis.Ended {
	name, err := trellis.Field("name")
	if err != nil {
		return trellis.Refused("name-unavailable", "the name is not available")
	}
	visits, err := countVisit()
	if err != nil {
		return trellis.Refused("store-unavailable", "the contract does not permit storing")
	}
	return trellis.Reply(greeting{Greeting: "Hello, " + name + "!", Visits: visits})
}

// Writes are kept back until the event ends well; a refusal drops them.
func countVisit() (int, error) {
	own := trellis.Namespace("connection")
	seen, err := own.Get("visits")
	if err != nil {
		return 0, err
	}
	visits := 1
	if seen != nil {
		before, _ := strconv.Atoi(string(seen.Value))
		visits += before
	}
	return visits, own.Put("visits", []byte(strconv.Itoa(visits)))
}
