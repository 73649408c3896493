package kit

// Everything that this package says to people, by the file that says it.
const (
	// confirmpanel.go
	textType         = "Type %s"
	textTypeExactly  = "Type exactly %s"
	textCANNOTUNDONE = "CANNOT BE UNDONE"

	// errorpanel.go
	textDetails = "Details: %s"

	// statusstrip.go
	textRecord = "Record"
	textLedger = "Ledger"
)

// spoken is the radio alphabet (ICAO Annex 10, volume II), digits as words.
var spoken = map[byte]string{
	'A': "Alfa", 'B': "Bravo", 'C': "Charlie", 'D': "Delta", 'E': "Echo", 'F': "Foxtrot", 'G': "Golf", 'H': "Hotel", 'I': "India",
	'J': "Juliett", 'K': "Kilo", 'L': "Lima", 'M': "Mike", 'N': "November", 'O': "Oscar", 'P': "Papa", 'Q': "Quebec", 'R': "Romeo",
	'S': "Sierra", 'T': "Tango", 'U': "Uniform", 'V': "Victor", 'W': "Whiskey", 'X': "X-ray", 'Y': "Yankee", 'Z': "Zulu",
	'0': "Zero", '1': "One", '2': "Two", '3': "Three", '4': "Four", '5': "Five", '6': "Six", '7': "Seven", '8': "Eight", '9': "Nine",
}
