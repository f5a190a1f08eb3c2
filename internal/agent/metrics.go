package agent

import (
	"context"

	"nrd/internal/metrics"
)

// definitions are the unit's metrics.
var definitions = []metrics.Definition{
	{Name: "nrd_agent_frames_total", Type: metrics.Counter, Help: "frames that were looked at since the start"},
	{Name: "nrd_agent_frames_dropped_total", Type: metrics.Counter, Help: "frames since the start that came while the reader was still busy"},
	{Name: "nrd_agent_reads_total", Type: metrics.Counter, Help: "reads since the start"},
	{Name: "nrd_agent_hits_total", Type: metrics.Counter, Help: "reads since the start that matched a list"},
	{Name: "nrd_agent_frames_per_minute", Type: metrics.Gauge, Help: "frames in the last minute"},
	{Name: "nrd_agent_reads_per_minute", Type: metrics.Gauge, Help: "reads in the last minute"},
	{Name: "nrd_agent_waiting", Type: metrics.Gauge, Labels: []string{"kind"}, Help: "what has no receipt of central yet: record, image, event"},
	{Name: "nrd_agent_oldest_waiting_seconds", Type: metrics.Gauge, Help: "how long ago the oldest waiting record was captured, 0 where none waits"},
	{Name: "nrd_agent_dropped_total", Type: metrics.Counter, Labels: []string{"kind"}, Help: "what a full buffer has let go since it was made: record, image; damaged: items that were damaged on disk with their keys; refused: records that it had no room for"},
	{Name: "nrd_agent_dead_letters", Type: metrics.Gauge, Help: "items set aside: refused by central, or damaged"},
	{Name: "nrd_agent_buffer_bytes", Type: metrics.Gauge, Help: "disk that the buffer takes"},
	{Name: "nrd_agent_disk_free_bytes", Type: metrics.Gauge, Help: "disk that is free where the buffer is"},
	{Name: "nrd_agent_temperature_celsius", Type: metrics.Gauge, Help: "the hottest sensor; missing where there is none"},
	{Name: "nrd_agent_clock_proved", Type: metrics.Gauge, Labels: []string{"source"}, Help: "1 where NTP or GPS vouches for the clock, else 0; the source that set it last"},
	{Name: "nrd_agent_clock_error_seconds", Type: metrics.Gauge, Help: "how far the clock is ahead of UTC, 0 when unknown"},
	{Name: "nrd_agent_list_age_seconds", Type: metrics.Gauge, Labels: []string{"list"}, Help: "the age of each list in force"},
	{Name: "nrd_agent_connected", Type: metrics.Gauge, Help: "1 while central takes what is sent, else 0"},
	{Name: "nrd_agent_problems", Type: metrics.Gauge, Help: "how many things a person should know; nrd-agent status says which"},
	{Name: "nrd_agent_info", Type: metrics.Gauge, Labels: []string{"device", "software"}, Help: "always 1"},
	{Name: "nrd_agent_live_lookups_total", Type: metrics.Counter, Labels: []string{"outcome"}, Help: "questions to the live gateway since the start: answered, failed, skipped (it was left alone), dropped (too many waited)"},
	{Name: "nrd_agent_live_open", Type: metrics.Gauge, Help: "1 while the live gateway is left alone because it has not answered, else 0"},
}

// source gives the unit's metrics.
func (a *Agent) source() *metrics.Source {
	return &metrics.Source{Definitions: definitions, Values: func(_ context.Context, put metrics.Put) error {
		r := a.report()
		put("nrd_agent_frames_total", float64(r.Frames))
		put("nrd_agent_frames_dropped_total", float64(r.DroppedFrames))
		put("nrd_agent_reads_total", float64(r.Reads))
		put("nrd_agent_hits_total", float64(r.Hits))
		put("nrd_agent_frames_per_minute", r.FramesPerMinute)
		put("nrd_agent_reads_per_minute", r.ReadsPerMinute)
		put("nrd_agent_dead_letters", float64(r.DeadLetters))
		put("nrd_agent_buffer_bytes", float64(r.BufferBytes))
		put("nrd_agent_disk_free_bytes", float64(r.DiskFree))
		put("nrd_agent_clock_proved", metrics.Bool(r.Clock.Proved), r.Clock.Source)
		put("nrd_agent_clock_error_seconds", r.Clock.ErrorMS/1000)
		put("nrd_agent_connected", metrics.Bool(r.Connected))
		put("nrd_agent_problems", float64(len(r.Problems)))
		put("nrd_agent_info", 1, r.Device, r.Software)
		r.putBuffer(put)
		a.putLive(put)
		if r.Temperature != nil {
			put("nrd_agent_temperature_celsius", *r.Temperature)
		}
		for _, l := range r.Lists {
			put("nrd_agent_list_age_seconds", l.AgeSeconds, l.List)
		}
		return nil
	}}
}

func (r Report) putBuffer(put metrics.Put) {
	put("nrd_agent_waiting", float64(r.Waiting.Records), "record")
	put("nrd_agent_waiting", float64(r.Waiting.Images), "image")
	put("nrd_agent_waiting", float64(r.Waiting.Events), "event")
	var oldest float64
	if r.OldestWaiting != nil {
		oldest = max(0, r.At.Sub(*r.OldestWaiting).Seconds())
	}
	put("nrd_agent_oldest_waiting_seconds", oldest)
	for _, kind := range []string{"record", "image", "damaged", "refused"} {
		put("nrd_agent_dropped_total", float64(r.Dropped[kind]), kind)
	}
}
