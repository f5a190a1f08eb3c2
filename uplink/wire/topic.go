package wire

import (
	"fmt"
	"strings"

	"nrd/internal/identity"
)

const devices = "nrd/1/device/"

// The last levels of a device's topics. Record, image, event and status go up
// to central, receipt and command down to the device.
const (
	topicRecord  = "record"
	topicImage   = "image"
	topicEvent   = "event"
	topicStatus  = "status"
	topicReceipt = "receipt"
	topicCommand = "command"
)

// TopicNoticeLists is where central retains the pointer to what is published of
// lists.
const TopicNoticeLists = "nrd/1/notice/lists"

// TopicRecord is where a device publishes its records.
func TopicRecord(device string) string { return devices + device + "/" + topicRecord }

// TopicImage is where a device publishes its images.
func TopicImage(device string) string { return devices + device + "/" + topicImage }

// TopicEvent is where a device publishes events.
func TopicEvent(device string) string { return devices + device + "/" + topicEvent }

// TopicStatus is where a device's status is retained.
func TopicStatus(device string) string { return devices + device + "/" + topicStatus }

// TopicReceipt is where central answers a device.
func TopicReceipt(device string) string { return devices + device + "/" + topicReceipt }

// TopicCommand is where central commands a device.
func TopicCommand(device string) string { return devices + device + "/" + topicCommand }

// ParseTopic gives the device and the last level (record, image, event, status,
// receipt or command) of a device's topic. The error is ErrTopic.
func ParseTopic(topic string) (device, kind string, err error) {
	rest, ok := strings.CutPrefix(topic, devices)
	if ok {
		device, kind, ok = strings.Cut(rest, "/")
	}
	if !ok || identity.ValidDevice(device) != nil {
		return "", "", fmt.Errorf("%w: %.200q", ErrTopic, topic)
	}
	switch kind {
	case topicRecord, topicImage, topicEvent, topicStatus, topicReceipt, topicCommand:
		return device, kind, nil
	default:
		return "", "", fmt.Errorf("%w: %.200q", ErrTopic, topic)
	}
}
