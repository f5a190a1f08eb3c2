package turn

import (
	"sync"
	"testing"
	"testing/synctest"
)

func TestWhoeverChangesTheSameWaitsAndWhoeverChangesAnotherDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		done := turns.Take("wanted")
		turns.Take("burglars")()
		had := false
		var all sync.WaitGroup
		all.Go(func() {
			defer turns.Take("wanted")()
			had = true
		})
		synctest.Wait()
		if had {
			t.Error("two have the turn of one list")
		}
		done()
		all.Wait()
		if !had || len(turns.now) != 0 {
			t.Errorf("the next had its turn: %v; %d queues stay", had, len(turns.now))
		}
	})
}

func TestOneLongThingIsDoneAsideAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var aside Aside
		goOn := make(chan struct{})
		if !aside.Start(func() { <-goOn }) {
			t.Fatal("the first is not started")
		}
		if aside.Start(func() { t.Error("a second was done beside it") }) {
			t.Error("a second is started beside it")
		}
		close(goOn)
		aside.Wait()
		did := false
		if !aside.Start(func() { did = true }) {
			t.Error("when the first has ended no other begins")
		}
		if aside.Wait(); !did {
			t.Error("Wait did not wait")
		}
	})
}
