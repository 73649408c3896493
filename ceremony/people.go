package ceremony

import "slices"

func (h *Person) known() KnownPerson {
	return KnownPerson{Enrolled: h.Body, Leaf: h.Leaf, Vouched: slices.Clone(h.Vouched)}
}

func (k KnownPerson) person() *Person {
	return &Person{Body: k.Enrolled, Leaf: k.Leaf, Vouched: slices.Clone(k.Vouched)}
}
