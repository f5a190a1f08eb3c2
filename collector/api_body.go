package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"nrd/collector/lists"
)

// fieldError says what is wrong with a field of a request. It is a lists.ErrInvalid.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return fmt.Sprintf("the field %q %v", e.field, e.err) }

func (e *fieldError) Unwrap() []error { return []error{lists.ErrInvalid, e.err} }

var (
	errNoField = errors.New("is not known here")
	errMissing = errors.New("is missing")
)

// decodeObject reads one JSON object into v, field by field, so that an error names
// its field. Fields that v does not have are errors, and so are needed ones that are
// not there. A day may be written as one, such as 2027-01-31. The errors are
// fieldError and lists.ErrInvalid, and http.MaxBytesError of the body.
func decodeObject(body io.Reader, v any, needed ...string) error {
	var fields map[string]json.RawMessage
	d := json.NewDecoder(body)
	err := d.Decode(&fields)
	if err == nil && fields == nil {
		err = errors.New("it is null")
	}
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return fmt.Errorf("%w: the body is not one JSON object: %w", lists.ErrInvalid, err)
	}
	for _, name := range needed {
		if _, there := fields[name]; !there {
			return &fieldError{name, errMissing}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := decodeField(name, fields[name], v); err != nil {
			return &fieldError{name, err}
		}
	}
	return nil
}

var day = regexp.MustCompile(`^"\d{4}-\d{2}-\d{2}"$`)

func decodeField(name string, text json.RawMessage, v any) error {
	one, err := json.Marshal(map[string]json.RawMessage{name: text})
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(one))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	var wrong *json.UnmarshalTypeError
	var moment *time.ParseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return fmt.Errorf("needs a %s, not a %s", wrong.Type, wrong.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return errNoField
	case day.Match(text):
		return decodeField(name, append(slices.Clone(text[:len(text)-1]), `T00:00:00Z"`...), v)
	}
	if errors.As(err, &moment) {
		return fmt.Errorf("needs a day such as 2027-01-31, not %s", text)
	}
	return fmt.Errorf("is not as it must be: %w", err)
}
