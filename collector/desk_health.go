package collector

import (
	"context"
	"time"

	"nrd/collector/access"
	"nrd/collector/alarm"
	"nrd/collector/store"
)

// DeviceHealth is how a device is, as it said last.
type DeviceHealth struct {
	Name     string     `json:"name"`
	State    string     `json:"state"`
	Alarms   []string   `json:"alarms,omitempty"`
	LastSeen *time.Time `json:"last_seen,omitempty"`
	Software string     `json:"software,omitempty"`
	Waiting  int        `json:"waiting"`
	// OldestWaiting is how long the oldest record has waited.
	OldestWaiting   int64             `json:"oldest_waiting_s"`
	Dropped         map[string]uint64 `json:"dropped,omitempty"`
	DeadLetters     int               `json:"dead_letters"`
	DiskFree        uint64            `json:"disk_free"`
	Temperature     *float64          `json:"temperature,omitempty"`
	ClockSource     string            `json:"clock_source,omitempty"`
	ClockProved     bool              `json:"clock_proved"`
	ClockErrorMS    float64           `json:"clock_error_ms"`
	OldestList      int64             `json:"oldest_list_s"`
	FramesPerMinute float64           `json:"frames_per_minute"`
	ReadsPerMinute  float64           `json:"reads_per_minute"`
	Problems        []string          `json:"problems,omitempty"`
}

// AlarmState is an alarm as the command line shows it.
type AlarmState struct {
	Device  string     `json:"device"`
	Kind    string     `json:"kind"`
	Raised  time.Time  `json:"raised"`
	Cleared *time.Time `json:"cleared,omitempty"`
	Text    string     `json:"text"`
}

// alarmQuery asks for the alarms that stand, or for so many that were cleared.
type alarmQuery struct {
	Cleared int `json:"cleared"`
}

func (d *deskServer) deviceHealth(ctx context.Context, by access.By, _ nothing) ([]DeviceHealth, error) {
	_, err := d.access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: access.ViewDevices, Action: "view devices"})
	if err != nil {
		return nil, err
	}
	devices, err := d.store.Devices(ctx)
	if err != nil {
		return nil, err
	}
	standing, err := d.store.StandingAlarms(ctx)
	fleet := alarm.Fleet(devices, standing, d.config.Clock.Now())
	states := make([]DeviceHealth, len(fleet))
	for i := range fleet {
		states[i] = healthOf(&fleet[i])
	}
	return states, err
}

func healthOf(h *alarm.Health) DeviceHealth {
	state := DeviceHealth{
		Name: h.Name, State: h.State, LastSeen: known(h.LastSeen),
		OldestWaiting: int64(h.Backlog.Seconds()), OldestList: int64(h.ListAge.Seconds()),
	}
	for _, a := range h.Alarms {
		state.Alarms = append(state.Alarms, a.Kind+": "+a.Text)
	}
	if s := h.Status; s != nil {
		state.Software, state.Waiting, state.Dropped, state.DeadLetters = s.Software, s.Waiting, s.Dropped, s.DeadLetters
		state.DiskFree, state.Temperature, state.Problems = s.DiskFree, s.Temperature, s.Problems
		state.ClockSource, state.ClockProved = string(s.Clock.Source), s.Clock.Proved
		state.ClockErrorMS = float64(s.Clock.ClockError) / float64(time.Millisecond)
		state.FramesPerMinute, state.ReadsPerMinute = s.FramesPerMinute, s.ReadsPerMinute
	}
	return state
}

func (d *deskServer) listAlarms(ctx context.Context, by access.By, q alarmQuery) ([]AlarmState, error) {
	_, err := d.access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: access.ViewDevices, Action: "view alarms"})
	if err != nil {
		return nil, err
	}
	var alarms []store.Alarm
	if q.Cleared > 0 {
		alarms, err = d.store.ClearedAlarms(ctx, q.Cleared)
	} else {
		alarms, err = d.store.StandingAlarms(ctx)
	}
	states := make([]AlarmState, len(alarms))
	for i, a := range alarms {
		states[i] = AlarmState{Device: a.Device, Kind: a.Kind, Raised: a.Raised, Cleared: known(a.Cleared), Text: a.Text}
	}
	return states, err
}

// Health says how every device is, those with alarms first.
func (d *Desk) Health(ctx context.Context) (health []DeviceHealth, err error) {
	return health, d.ask(ctx, "/device/status", nothing{}, &health)
}

// Alarms lists the alarms that stand, newest first; with cleared above 0 so many
// of those that are over.
func (d *Desk) Alarms(ctx context.Context, cleared int) (alarms []AlarmState, err error) {
	return alarms, d.ask(ctx, "/alarm/list", alarmQuery{cleared}, &alarms)
}
