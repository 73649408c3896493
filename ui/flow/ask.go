package flow

// Ask is a form outside of ceremonies: what is typed is checked, and who signs it
// is asked at the keyboard afterwards.
type Ask struct {
	Kicker, Title, Text string
	Verb                string
	Fields              []Field
	Hashes              []Hash
	Grave               bool // nobody can take it back
	Trouble             *Trouble
}

// Answer cleans what was typed, or says what is wrong with it.
func (a Ask) Answer(values map[string]string) (map[string]string, Wrong) {
	return filled(a.Fields, values)
}

// With is the same form with what was typed already, and why it was not taken.
func (a Ask) With(values map[string]string, trouble *Trouble) Ask {
	a.Trouble = trouble
	fields := make([]Field, len(a.Fields))
	for i, f := range a.Fields {
		if v, typed := values[f.Name]; typed {
			f.Value = v
		}
		fields[i] = f
	}
	a.Fields = fields
	return a
}
