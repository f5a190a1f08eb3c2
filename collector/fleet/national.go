package fleet

import "regexp"

// national are names of services beyond the force and its neighbours.
var national = regexp.MustCompile(`(?i)^(national|nas|nads|nadc|naas|pnc|leds|home.?office)([-_ .0-9].*)?$`)

// National says that a name is one of a national service. No device may have it: a
// local list goes to every device where it names none, and never to such a service.
func National(name string) bool { return national.MatchString(name) }
