package hsm

import (
	"bytes"
	"errors"
	"fmt"
)

// repetitions is the cutoff of the repetition count test, NIST SP 800-90B, 4.4.1:
// 1 + ⌈40 / 8⌉ for full entropy (eight bits a byte) and a false alarm in 2^40.
const repetitions = 6

// CheckRandom finds a generator that is stuck or repeats itself: as many equal
// bytes in a row as a sound one gives once in 2^40 bytes, or two halves that are
// the same. It is a health test in the sense of SP 800-90B, section 4: it says
// nothing about how good a generator is that passes it.
func CheckRandom(b []byte) error {
	run := 1
	for i := 1; i < len(b); i++ {
		if b[i] != b[i-1] {
			run = 1
			continue
		}
		if run++; run == repetitions {
			return fmt.Errorf("its generator is stuck: it gave one byte %d times in a row", run)
		}
	}
	if half := len(b) / 2; half >= 8 && bytes.Equal(b[:half], b[half:2*half]) {
		return errors.New("its generator repeats itself: two halves of what it gave are the same")
	}
	return nil
}
