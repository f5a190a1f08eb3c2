package evaluate

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// files are those under the paths that were given, by their base names.
type files map[string][]string

// find lists the files at the paths, folders walked.
func find(paths []string) (files, error) {
	found := files{}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		// The separator makes WalkDir follow a path that is itself a link.
		root := path
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			root += string(filepath.Separator)
		}
		err := filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				p = filepath.Clean(p)
				found[filepath.Base(p)] = append(found[filepath.Base(p)], p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// file gives the path of a file that the truth names, "" where there is none: the
// path itself, else one that ends in it, else the only one of that name.
func (f files) file(name string) (string, error) {
	candidates := slices.Compact(slices.Sorted(slices.Values(f[filepath.Base(filepath.FromSlash(name))])))
	var ends []string
	for _, c := range candidates {
		if filepath.ToSlash(c) == name {
			return c, nil
		}
		if strings.HasSuffix(filepath.ToSlash(c), "/"+name) {
			ends = append(ends, c)
		}
	}
	switch {
	case len(ends) == 1:
		return ends[0], nil
	case len(ends) > 1:
		return "", fmt.Errorf("%w: %q may be %s or %s: give the folder of one of them", ErrTruth, name, ends[0], ends[1])
	case len(candidates) == 1:
		return candidates[0], nil
	default:
		return "", nil
	}
}
