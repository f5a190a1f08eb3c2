package nrd

// syntaxRow is one syntax of the British plates as data.
//
// The pattern has one sign a position: a capital stands for itself, and
//
//	l  a letter except I, Q, Z      y  a year letter: not I, O, Q, U, Z
//	s  a letter except I, Q         i  I or Z
//	j  a letter except Q            a  any letter
//	0  a digit                      #  a digit of a number group, whose first
//	                                   is never zero
//
// {m,n} after a sign repeats it m to n times, which makes one layout for each
// length.
type syntaxRow struct {
	name    string
	pattern string
	// prior is the share of the marks on British roads that follow the
	// pattern: an estimate from the age of the fleet, not a count, and good
	// enough to weigh one look-alike against another.
	prior float64
}

// PriorNone is the share of marks on British roads that follow none of
// [Layouts], foreign marks first of all. An estimate.
const PriorNone = 0.03

// syntaxTable is everything the product knows of British syntaxes. The rows
// trade, jersey, guernsey and gibraltar were not seen in a primary source.
var syntaxTable = []syntaxRow{
	{"current", "ll00sss", 0.89379},
	{"prefix", "y#{1,3}lll", 0.035},
	{"q", "Q#{1,3}lll", 0.0003},
	{"suffix", "lll#{1,3}y", 0.006},

	{"dateless", "l{1,2}#{1,4}", 0.005},
	{"dateless", "lll#{1,3}", 0.005},
	{"dateless", "lll####", 0.00001},
	{"dateless", "#{1,4}l{1,2}", 0.004},
	{"dateless", "#{1,3}lll", 0.005},

	// The last two letters hold an I or a Z.
	{"northern ireland", "ij#{1,4}", 0.0015},
	{"northern ireland", "li#{1,4}", 0.003},
	{"northern ireland", "jij#{1,4}", 0.002},
	{"northern ireland", "jli#{1,4}", 0.005},
	{"northern ireland", "####ij", 0.0002},
	{"northern ireland", "####li", 0.0003},
	{"northern ireland", "####jij", 0.00005},
	{"northern ireland", "####jli", 0.00005},

	{"isle of man", "MAN#{1,4}", 0.0002},
	{"isle of man", "#{1,4}MAN", 0.0002},
	{"isle of man", "MAN#{1,3}l", 0.0002},
	{"isle of man", "l#{1,3}MAN", 0.0002},

	{"diplomatic", "###D###", 0.0002},
	{"diplomatic", "###X###", 0.0002},
	{"military", "##aa##", 0.0002},
	{"military", "aa##aa", 0.0003},

	{"jersey", "J#{1,6}", 0.0003},
	{"guernsey", "#{1,5}", 0.0002},
	{"gibraltar", "G#{1,4}a", 0.0001},
	{"trade", "#{1,4}a{1,3}", 0.001},
	{"trade", "#####", 0.0005},
}

// prefixYears and suffixYears give the year in which each year letter was first
// issued.
var (
	prefixYears = map[byte]int{
		'A': 1983, 'B': 1984, 'C': 1985, 'D': 1986, 'E': 1987, 'F': 1988, 'G': 1989,
		'H': 1990, 'J': 1991, 'K': 1992, 'L': 1993, 'M': 1994, 'N': 1995, 'P': 1996,
		'R': 1997, 'S': 1998, 'T': 1999, 'V': 1999, 'W': 2000, 'X': 2000, 'Y': 2001,
	}
	suffixYears = map[byte]int{
		'A': 1963, 'B': 1964, 'C': 1965, 'D': 1966, 'E': 1967, 'F': 1967, 'G': 1968,
		'H': 1969, 'J': 1970, 'K': 1971, 'L': 1972, 'M': 1973, 'N': 1974, 'P': 1975,
		'R': 1976, 'S': 1977, 'T': 1978, 'V': 1979, 'W': 1980, 'X': 1981, 'Y': 1982,
	}
)
