package live

// Parse is parse, for the tests that stand outside.
var Parse = parse
