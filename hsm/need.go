package hsm

import "slices"

// Need is one thing that a token must be able to do.
type Need struct {
	For   string   // in words: "generate an EC key pair"
	AnyOf []string // CKM_ names, best first: one of them is enough
	Do    string   // the flag that the mechanism must have: "sign", "wrap", …
	Bits  uint     // size of key that it must take, where it counts in bits; or 0
}

// RandomNeed is not met by a mechanism but by the token's own word (CKF_RNG).
var RandomNeed = Need{For: "draw random bytes", Do: "random"}

// Met says whether a token with these mechanisms can do it, and by which.
func (n Need) Met(t TokenInfo, list []Mechanism) (by string, ok bool) {
	if n.Do == RandomNeed.Do {
		return "CKF_RNG", t.Random
	}
	for _, name := range n.AnyOf {
		for _, m := range list {
			fits := n.Bits == 0 || m.Max == 0 || m.Min <= n.Bits && n.Bits <= m.Max
			if m.Name == name && slices.Contains(m.Flags, n.Do) && fits {
				return name, true
			}
		}
	}
	return "", false
}

// Needs lists what a token must have to make and use such a key.
func (s KeySpec) Needs() []Need {
	need := func(words, do string, bits uint, anyOf ...string) Need { return Need{words, anyOf, do, bits} }
	bits := map[Algorithm]uint{ECP256: 256, ECP384: 384, ECP521: 521, RSA3072: 3072, RSA4096: 4096}[s.Algorithm]
	var list []Need
	switch s.Algorithm {
	case ECP256, ECP384, ECP521:
		list = append(list, need("generate an EC key pair", "generate-key-pair", bits, "CKM_EC_KEY_PAIR_GEN"))
	case RSA3072, RSA4096:
		list = append(list, need("generate an RSA key pair", "generate-key-pair", bits, "CKM_RSA_PKCS_KEY_PAIR_GEN"))
	case Ed25519:
		list = append(list, need("generate an Ed25519 key pair", "generate-key-pair", 0, "CKM_EC_EDWARDS_KEY_PAIR_GEN"))
	case AES256:
		list = append(list, need("generate an AES key", "generate", 0, "CKM_AES_KEY_GEN"))
	case HMACSHA256:
		list = append(list, need("generate a secret for HMAC", "generate", 0, "CKM_GENERIC_SECRET_KEY_GEN"))
	}
	switch s.Purpose {
	case Sign:
		mechanism := map[Algorithm]string{ECP256: "CKM_ECDSA", ECP384: "CKM_ECDSA", ECP521: "CKM_ECDSA", RSA3072: "CKM_SHA256_RSA_PKCS",
			RSA4096: "CKM_SHA256_RSA_PKCS", Ed25519: "CKM_EDDSA", AES256: "CKM_AES_CMAC", HMACSHA256: "CKM_SHA256_HMAC"}[s.Algorithm]
		list = append(list, need("sign with it", "sign", bits, mechanism))
	case Encrypt:
		mechanism := map[Algorithm]string{RSA3072: "CKM_RSA_PKCS_OAEP", RSA4096: "CKM_RSA_PKCS_OAEP", AES256: "CKM_AES_ECB"}[s.Algorithm]
		list = append(list, need("encrypt with it", "encrypt", bits, mechanism))
	case Derive:
		mechanism := map[Algorithm][]string{AES256: {"CKM_AES_ECB_ENCRYPT_DATA", "CKM_AES_CBC_ENCRYPT_DATA"}}[s.Algorithm]
		if mechanism == nil {
			mechanism = []string{"CKM_ECDH1_DERIVE"}
		}
		list = append(list, need("derive keys with it", "derive", bits, mechanism...))
	}
	if s.Purpose == Wrap || s.Protection == WrapBackup {
		list = append(list, WrapNeeds()...)
	}
	return list
}

// WrapNeeds lists what a token must have to make a backup and take one back.
func WrapNeeds() []Need {
	anyOf := []string{"CKM_AES_KEY_WRAP_KWP", "CKM_AES_KEY_WRAP_PAD", "CKM_AES_KEY_WRAP"}
	return []Need{
		{"wrap a key (RFC 5649, RFC 3394)", anyOf, "wrap", 0},
		{"unwrap a key (RFC 5649, RFC 3394)", anyOf, "unwrap", 0},
	}
}
