package console

import (
	"context"

	"nrd"
)

// outcome is what officers did about a record last, in words, "" for nothing.
func (c *Console) outcome(ctx context.Context, record nrd.Key) (string, error) {
	events, err := c.Store.OfficersOf(ctx, record)
	if err != nil || len(events) == 0 {
		return "", err
	}
	return outcomeOf(&events[len(events)-1].OfficerEvent), nil
}

// outcomeOf puts what an officer did in words.
func outcomeOf(e *nrd.OfficerEvent) string {
	what := string(e.Action)
	if e.Action == nrd.OfficerActed {
		what = string(e.Disposition)
	}
	if e.Officer.Collar != "" {
		what += " by " + e.Officer.Collar
	}
	return what
}
