package audit

// Made is what the records of a document make of its pages, once: making them
// takes longer than all the rest of a check.
type Made struct{ want *container }

func Pages(pdf []byte) (Made, error) {
	want, err := readPDF(pdf)
	return Made{want}, err
}

// Compare names each difference of a file, as the check does.
func (m Made) Compare(pdf []byte) ([]string, error) {
	have, err := readPDF(pdf)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range compare(have, m.want) {
		out = append(out, d.why)
	}
	return out, nil
}
