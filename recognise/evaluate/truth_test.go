package evaluate

import (
	"errors"
	"strings"
	"testing"
)

func TestATruthFileSaysWhichPlatesAreOnWhichPhotograph(t *testing.T) {
	truth, err := ParseTruth("t.csv", []byte("\ufefffile,Region,plate,x,y,w,h,light\r\n"+
		"a/1.jpg,gb,ab12 cde,10,20.5,100,22,night\r\n"+
		"a/1.jpg,eu,1-XYZ-2,,,,,night\r\n"+
		"\"b, c.jpg\",none,,,,,,\r\n"+
		"d.jpg,gb,KX02ABC,0,0,0,0,\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(truth) != 3 || len(truth[0].Plates) != 2 || len(truth[1].Plates) != 0 || truth[1].File != "b, c.jpg" {
		t.Fatalf("%+v", truth)
	}
	first := truth[0].Plates[0]
	if first.VRM != "AB12CDE" || *first.Box != (Box{10, 20.5, 100, 22}) || first.Columns["region"] != "gb" || truth[0].Columns["light"] != "night" {
		t.Errorf("%+v", first)
	}
	if second := truth[0].Plates[1]; second.VRM != "1XYZ2" || second.Box != nil || second.Columns["region"] != "eu" {
		t.Errorf("%+v", second)
	}
	if truth[2].Plates[0].Box != nil {
		t.Error("a box without an area is a box")
	}
}

func TestFileAndPlateAreEnough(t *testing.T) {
	truth, err := ParseTruth("t.csv", []byte("file,plate\nfolder\\1.jpg,AB12CDE\n"))
	if err != nil || len(truth) != 1 || truth[0].File != "folder/1.jpg" || truth[0].Plates[0].VRM != "AB12CDE" {
		t.Fatalf("%+v, %v", truth, err)
	}
}

func TestClipsHaveTheirPlatesInOneColumn(t *testing.T) {
	truth, err := ParseTruth("v.csv", []byte("file,fps,plates\na.mp4,25,AB12CDE|X1 ABC\nb.mp4,25,\"unlabelled (French, passing cars)\"\nc.mp4,25,\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(truth) != 2 || len(truth[0].Plates) != 2 || truth[0].Plates[1].VRM != "X1ABC" || len(truth[1].Plates) != 0 {
		t.Errorf("%+v", truth)
	}
}

func TestRubbishIsRefusedWithFileLineAndField(t *testing.T) {
	for name, c := range map[string]struct{ data, says string }{
		"nothing":                    {"", "t.csv: "},
		"a header alone":             {"file,plate\n", "nothing else"},
		"no plate":                   {"file,text\na.jpg,x\n", "t.csv:1: "},
		"both kinds":                 {"file,plate,plates\na.jpg,x,y\n", "t.csv:1: "},
		"a column twice":             {"file,plate,plate\na.jpg,x,y\n", `the column "plate" is there twice`},
		"a row too short":            {"file,plate\na.jpg,AB12CDE\nb.jpg\n", "line 3"},
		"a quote without its end":    {"file,plate\n\"a.jpg,AB12CDE\n", "t.csv: "},
		"no file":                    {"file,plate\na.jpg,A1\n,AB12CDE\n", "t.csv:3: file: "},
		"a mark with a strange sign": {"file,plate\na.jpg,AB12?DE\n", "t.csv:2: plate: "},
		"a mark that is too long":    {"file,plate\na.jpg,ABCDEFGHIJKLMNOPQ\n", "t.csv:2: plate: "},
		"a strange sign in a clip":   {"file,plates\na.mp4,AB12CDE|AB/2\n", "t.csv:2: plates: "},
		"a word for a number":        {"file,plate,x,y,w,h\na.jpg,A1,1,2,wide,4\n", "t.csv:2: w: "},
		"a width below nothing":      {"file,plate,x,y,w,h\na.jpg,A1,1,2,-3,4\n", "t.csv:2: w: "},
		"no number":                  {"file,plate,x,y,w,h\na.jpg,A1,NaN,2,3,4\n", "t.csv:2: x: "},
		"half a box":                 {"file,plate,x,y,w,h\na.jpg,A1,1,2,3,\n", "t.csv:2: x: "},
		"no CSV at all":              {"\x00\xff\xd8\xff\xe0JFIF", "t.csv:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTruth("t.csv", []byte(c.data))
			if !errors.Is(err, ErrTruth) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q in it", err, c.says)
			}
		})
	}
}

func FuzzParseTruth(f *testing.F) {
	f.Add([]byte("file,plate,x,y,w,h\na.jpg,AB12CDE,1,2,3,4\n"))
	f.Add([]byte("file,plates\na.mp4,AB12CDE|X1ABC\n"))
	f.Add([]byte("\ufefffile,plate\n\"a\n.jpg\",\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		truth, err := ParseTruth("t.csv", data)
		if err != nil {
			if !errors.Is(err, ErrTruth) || !strings.HasPrefix(err.Error(), "t.csv:") {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, one := range truth {
			if one.File == "" {
				t.Fatal("a truth of no file")
			}
			for _, p := range one.Plates {
				if p.VRM == "" || p.Box != nil && (p.Box[2] <= 0 || p.Box[3] <= 0) {
					t.Fatalf("%+v", p)
				}
			}
		}
	})
}
