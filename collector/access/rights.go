package access

import "slices"

// Right is leave to do one kind of thing.
type Right string

// The rights. What is not named in a role is denied.
const (
	ViewLive         Right = "view records live"
	Search           Right = "search records"
	ViewImages       Right = "view images"
	ViewDevices      Right = "view devices"
	ManageDevices    Right = "enrol and approve devices"
	RevokeDevices    Right = "revoke and wipe devices"
	ConfigureDevices Right = "configure devices"
	ViewQuarantine   Right = "view quarantine"
	Release          Right = "release from quarantine"
	Import           Right = "import carried records"
	ViewLists        Right = "view lists"
	ManageLists      Right = "make and change lists"
	ExportLists      Right = "export lists"
	DecideImports    Right = "approve and reject list files"
	Acknowledge      Right = "acknowledge hits"
	ManageAccounts   Right = "manage accounts"
	Audit            Right = "audit"
	Backup           Right = "back up and restore"
)

// Role is what a person's duty gives a right to.
type Role struct {
	Name, Title string
	Rights      []Right
}

// Roles lists the roles. Those who look after the machines see no records;
// those who audit see what was done and nothing of what was found.
var Roles = []Role{
	{"officer", "Officer", []Right{Search, ViewImages}},
	{"control-room", "Control room", []Right{ViewLive, Search, ViewImages, ViewDevices, ViewQuarantine, ViewLists, Acknowledge, RevokeDevices}},
	{"anpr-manager", "ANPR manager", []Right{ViewLive, Search, ViewImages, ViewDevices, ViewQuarantine, Release, Import, ManageDevices, RevokeDevices, ConfigureDevices, ViewLists, ManageLists, ExportLists, DecideImports, Acknowledge, ManageAccounts, Backup}},
	{"it", "IT department", []Right{ViewDevices, ConfigureDevices, Backup}},
	{"auditor", "Auditor", []Right{Audit, ViewDevices}},
}

// needsReason names the rights that are used for a stated reason only. Live
// monitoring is a duty of its own: opening it is logged, and needs none.
var needsReason = map[Right]bool{Search: true, ViewImages: true, RevokeDevices: true, Release: true, Import: true, ExportLists: true, DecideImports: true}

// RoleNames lists the names of the roles.
func RoleNames() []string {
	names := make([]string, len(Roles))
	for i, r := range Roles {
		names[i] = r.Name
	}
	return names
}

// May reports whether a role gives a right; an unknown role gives none.
func May(role string, right Right) bool {
	return slices.ContainsFunc(Roles, func(r Role) bool { return r.Name == role && slices.Contains(r.Rights, right) })
}
