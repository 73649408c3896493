package assets

import _ "embed"

// IBM Plex (SIL Open Font License 1.1, fonts/OFL.txt). Sans covers Latin, Greek
// and Cyrillic; Mono covers Latin and Cyrillic only, so a Greek name is never
// set in Mono. The window and the report use the same files.
var (
	//go:embed fonts/IBMPlexSans-Regular.ttf
	SansRegular []byte
	//go:embed fonts/IBMPlexSans-Medium.ttf
	SansMedium []byte
	//go:embed fonts/IBMPlexSans-SemiBold.ttf
	SansSemiBold []byte
	//go:embed fonts/IBMPlexSans-Italic.ttf
	SansItalic []byte
	//go:embed fonts/IBMPlexMono-Regular.ttf
	MonoRegular []byte
	//go:embed fonts/IBMPlexMono-SemiBold.ttf
	MonoSemiBold []byte
)

// Icon is the application's icon, 256 pixels square.
//
//go:embed icons/claviger.png
var Icon []byte
