package ingest

import (
	"strings"
	"testing"

	"nrd"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

func TestAnImageBeyondTheProfileIsRefusedWithAReason(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	key := nrd.Key{Device: "unit-1", Epoch: 1, Sequence: 1}
	for want, i := range map[string]struct {
		kind  nrd.ImageKind
		image nrd.Image
	}{
		"the patch has 3073 bytes, the profile nasple-2.4 allows 3072":       {nrd.ImagePatch, picture(t, 120, 60, 1, 3073)},
		"the patch is 121 pixels wide, the profile nasple-2.4 allows 120":    {nrd.ImagePatch, picture(t, 121, 60, 2, 2000)},
		"the patch is 61 pixels high, the profile nasple-2.4 allows 60":      {nrd.ImagePatch, picture(t, 119, 61, 3, 2000)},
		"the overview has 25601 bytes, the profile nasple-2.4 allows 25600":  {nrd.ImageOverview, picture(t, 720, 405, 4, 25601)},
		"the overview is 721 pixels wide, the profile nasple-2.4 allows 720": {nrd.ImageOverview, picture(t, 721, 405, 5, 20000)},
	} {
		payload := marshal(t, wire.FromImage(key, i.kind, i.image))
		u.send(t, wire.TopicImage("unit-1"), payload)
		if r := u.receipt(t, payload, wire.Receipt_REFUSED); !strings.Contains(r.GetReason(), want) {
			t.Errorf("refused because %q, want %q", r.GetReason(), want)
		}
	}
	payloadsOf(t, "unit-1", 2, storetest.Noon).send(t, u) // what is within the caps passes
	eventually(t, "three are stored", func() bool { return c.Counts().Stored == 3 })
}
