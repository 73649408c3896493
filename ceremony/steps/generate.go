package steps

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// generateKey makes a key pair inside the token, reads back what was made, and
// has the token prove that it holds the private half.
type generateKey struct{}

const (
	generate = "generate-key"
	prove    = "prove-possession"
	remove   = "delete-remains"
)

func (generateKey) Name() string { return generate }
func (generateKey) Version() int { return 1 }
func (generateKey) Doc() string {
	return "The token makes a key pair; every attribute is read back, and a signature proves possession."
}

func (generateKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen:
		return fmt.Errorf("the token is not open yet")
	case !w.Authorised[st.ID]:
		return fmt.Errorf("no step before it authorises it")
	case st.With["label"] == "" || st.With["algorithm"] == "" || st.With["protection"] == "":
		return fmt.Errorf("it does not say label, algorithm and protection (with)")
	case w.Unread != "":
		return fmt.Errorf("the fingerprint of the key that step %q makes is read aloud before another is made (read-fingerprint)", w.Unread)
	}
	spec := keySpec(ceremony.Act{With: st.With}, ledger.Hash{})
	if err := spec.Check(); err != nil {
		return err
	}
	if spec.Algorithm.Secret() || spec.Purpose != hsm.Sign {
		return fmt.Errorf("it makes a pair that signs, and a key of %s to %s is none", spec.Algorithm, st.With["purpose"])
	}
	w.Unread = st.ID
	return nil
}

func (generateKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	p := s.Open
	if _, done := p.ActDone(st.ID, prove); done {
		return nil, nil
	}
	var acts []ceremony.Act
	if in, half := p.Halfway(st.ID, generate); half {
		acts = append(acts, ceremony.Act{Do: remove, With: map[string]string{"id": keyID(in.Leaf), "serial": p.Token}})
	}
	if _, done := p.ActDone(st.ID, generate); !done {
		acts = append(acts, ceremony.Act{Do: generate, With: map[string]string{
			"algorithm": st.With["algorithm"], "label": st.With["label"], "lifetime": st.With["lifetime"], "owner": st.With["owner"],
			"protection": st.With["protection"], "purpose": st.With["purpose"], "serial": p.Token}})
	}
	return append(acts, ceremony.Act{Do: prove, With: map[string]string{"label": st.With["label"], "serial": p.Token}}), nil
}

// Admit refuses, before anybody is in the room, a key that the policy does not
// let be made, unless the script has owner and approver decide an exception.
func (generateKey) Admit(s *ceremony.State, plan *script.Bound, st script.Step) error {
	_, excepted := ceremony.Excepting(plan, st.ID)
	return s.KeyAllowed(st.With["algorithm"], st.With["purpose"], st.With["lifetime"], excepted)
}

func (generateKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	p := s.Open
	switch b := body.(type) {
	case *ceremony.Intent:
		if !p.TokenOpen {
			return broken("token.closed", "the token is not open")
		}
		if _, made := p.ActDone(st.ID, generate); b.Act.Do == prove && !made {
			return broken("intent.act", "possession is proved of a key that was made")
		}
		if _, half := p.Halfway(st.ID, generate); b.Act.Do == generate && half {
			return broken("intent.act", "what the last attempt left is removed first")
		}
		return s.KeyAllowed(st.With["algorithm"], st.With["purpose"], st.With["lifetime"], p.Excepted(st.ID))
	case *ceremony.KeyGenerated:
		return checkGenerated(s, st, r, b)
	case *ceremony.KeyQuarantined:
		return nil
	case *ceremony.Result:
		return checkGenerateResult(s, st, b)
	}
	return foreign(st, r)
}

func checkGenerateResult(s *ceremony.State, st script.Step, b *ceremony.Result) error {
	p := s.Open
	if isFinish(b) {
		if acts, _ := (generateKey{}).Acts(s, st); len(acts) > 0 {
			return broken("step.result", "%q is not done", acts[0].Do)
		}
		return nil
	}
	if b.Outcome != ceremony.Done {
		return nil
	}
	in := slices.IndexFunc(p.Intents, func(in *ceremony.IntentState) bool { return in.Leaf == b.Intent })
	switch p.Intents[in].Body.Act.Do {
	case generate:
		if s.Keys[keyID(b.Intent)] == nil {
			return broken("result.outcome", "no key with the id of this intent was read back")
		}
	case prove:
		k := keyMade(s)
		if k == nil {
			return broken("key.proof", "there is no key to check")
		}
		return checkProof(s, k, b)
	}
	return nil
}

// keyMade is the key of the ceremony under way.
func keyMade(s *ceremony.State) *ceremony.Key {
	for _, k := range s.Keys {
		if k.Ceremony == s.Open.Number && !k.Quarantined {
			return k
		}
	}
	return nil
}

// checkGenerated demands that a key is what was authorised, as the token itself
// tells it.
func checkGenerated(s *ceremony.State, st script.Step, r ledger.Record, b *ceremony.KeyGenerated) error {
	with := st.With
	switch {
	case b.Label != with["label"] || b.Algorithm != with["algorithm"] || b.Protection != with["protection"] || b.Purpose != with["purpose"] || b.Owner != with["owner"] || b.Serial != s.Open.Token:
		return broken("key.authorised", "it is not the key that was authorised")
	case b.ID != keyID(b.Intent):
		return broken("key.id", "its CKA_ID does not name its intent")
	case b.Fingerprint != b.Public.String():
		return broken("key.fingerprint", "its fingerprint is not the SHA-256 of its public key")
	}
	period, err := script.ParsePeriod(with["lifetime"])
	if err != nil {
		return broken("key.lifetime", "%v", err)
	}
	from, err := time.Parse(time.DateOnly, b.From)
	if err != nil || ceremony.Date(period.From(from)) != b.Until {
		return broken("key.lifetime", "its lifetime is not the one that was authorised")
	}
	spki, err := s.Blob(b.Public)
	if err != nil {
		return broken("key.public", "the public key is not stored: %v", err)
	}
	if err := checkPublic(spki, hsm.Algorithm(b.Algorithm)); err != nil {
		return broken("key.public", "%v", err)
	}
	if err := checkAttributes(b.Attributes, hsm.Protection(b.Protection)); err != nil {
		return broken("key.readback", "%v", err)
	}
	for _, k := range s.Keys {
		if k.Body.Fingerprint == b.Fingerprint {
			return broken("key.repeated", "the token gave the public key of %q again", k.Body.Label)
		}
	}
	return nil
}

// checkPublic: the public key parses and is of the kind that was asked for.
func checkPublic(spki []byte, a hsm.Algorithm) error {
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("the public key is not readable: %w", err)
	}
	got := "another kind"
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		got = map[string]string{"P-256": string(hsm.ECP256), "P-384": string(hsm.ECP384), "P-521": string(hsm.ECP521)}[k.Curve.Params().Name]
	case *rsa.PublicKey:
		got = fmt.Sprintf("rsa-%d", k.N.BitLen())
		if k.E != 65537 {
			return fmt.Errorf("the public exponent is %d, not 65537", k.E)
		}
	case ed25519.PublicKey:
		got = string(hsm.Ed25519)
	}
	if got != string(a) {
		return fmt.Errorf("the public key is %s, asked was %s", got, a)
	}
	return nil
}

// checkAttributes: a key that could leave, or serve another purpose, can never
// be recorded as one that cannot (PKCS #11 v2.40, 4.9 and 4.10).
func checkAttributes(have []ceremony.Attribute, p hsm.Protection) error {
	want := map[string]string{"token": "true", "private": "true", "sensitive": "true", "always-sensitive": "true", "local": "true", "sign": "true", "decrypt": "false", "unwrap": "false", "derive": "false"}
	switch p {
	case hsm.ModuleOnly:
		want["extractable"], want["never-extractable"] = "false", "true"
	case hsm.WrapBackup:
		want["extractable"], want["wrap-with-trusted"] = "true", "true"
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		i := slices.IndexFunc(have, func(a ceremony.Attribute) bool { return a.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("%s was not read back", name)
		case have[i].Value != want[name]:
			return fmt.Errorf("%s reads back as %s, asked was %s", name, have[i].Value, want[name])
		}
	}
	return nil
}

func attributes(o hsm.Object) []ceremony.Attribute {
	out := []ceremony.Attribute{}
	for _, a := range o.Attributes {
		out = append(out, ceremony.Attribute{Name: a.Name, Value: a.Value})
	}
	return out
}

func (k generateKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, act := range acts {
		lines = append(lines, env.State().ActLine(act))
	}
	lines = append(lines, horizon(env, st)...)
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: st.Title, Verb: "Generate now", Facts: facts(lines),
		Text: "The token does exactly this, and reads back every attribute of what it made."}); err != nil {
		return err
	}
	for _, act := range acts {
		s, err := env.Session(ctx)
		if err != nil {
			return err
		}
		switch act.Do {
		case remove:
			err = removeRemains(ctx, env, s, act)
		case generate:
			err = k.generate(ctx, env, s, st, act)
		case prove:
			err = proveKey(ctx, env, s, act)
		}
		if err != nil {
			return err
		}
	}
	b := keyMade(env.State()).Body
	return finish(ctx, env, st, line("Label", b.Label), line("Algorithm", algorithmOf(b)), mono("Key identifier", b.ID),
		line("Protection", ceremony.ProtectionWords(b.Protection)), line("Owner", env.State().Someone(b.Owner).Name), line("Lifetime", b.From+" → "+b.Until), hash("Fingerprint", b.Fingerprint))
}

func algorithmOf(b ceremony.KeyGenerated) string {
	return ceremony.AlgorithmName(b.Algorithm) + " · " + ceremony.PurposeWords(b.Purpose)
}

// horizon warns, before the key is made, of an algorithm that ends before its use.
func horizon(env ceremony.Env, st script.Step) []ceremony.Line {
	period, err := script.ParsePeriod(st.With["lifetime"])
	if err != nil {
		return nil // the script says no period, and the rule that wants one says so
	}
	if why := ceremony.QuantumHorizon(st.With["algorithm"], ceremony.Date(period.From(env.Host().Now().UTC()))); why != "" {
		return []ceremony.Line{line("Quantum horizon", why)}
	}
	return nil
}

func (k generateKey) generate(ctx context.Context, env ceremony.Env, s hsm.Session, st script.Step, act ceremony.Act) error {
	err := env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token is making the key")
		pair, err := s.Generate(ctx, keySpec(act, intent))
		if err != nil {
			return ceremony.Found{}, err
		}
		return generated(env, st, intent, pair.Private, pair.SPKI)
	})
	if err == nil {
		env.Shown(line("Label", act.With["label"]), hash("Fingerprint", keyMade(env.State()).Body.Fingerprint))
	}
	return err
}

func generated(env ceremony.Env, st script.Step, intent ledger.Hash, private hsm.Object, spki []byte) (ceremony.Found, error) {
	period, err := script.ParsePeriod(st.With["lifetime"])
	if err != nil {
		return ceremony.Found{}, err
	}
	now := env.Host().Now().UTC()
	sum := ledger.BlobHash(spki)
	b := ceremony.KeyGenerated{Algorithm: st.With["algorithm"], Attributes: attributes(private), Fingerprint: sum.String(), From: ceremony.Date(now), ID: keyID(intent), Intent: intent,
		Label: st.With["label"], Owner: st.With["owner"], Protection: st.With["protection"], Public: sum, Purpose: st.With["purpose"], Serial: env.State().Open.Token, Until: ceremony.Date(period.From(now))}
	return ceremony.Found{Outcome: ceremony.Done, Blobs: [][]byte{spki}, Records: []ceremony.Entry{{Kind: ceremony.KeyGeneratedKind, Body: b}},
		Facts: []ceremony.Line{mono("Key identifier", b.ID), hash("Fingerprint", b.Fingerprint)}}, nil
}

// challenge is what the token signs to prove possession: it cannot be mistaken
// for anything else and is never the same twice.
func challenge(s *ceremony.State, intent ledger.Hash) []byte {
	return []byte("claviger proof of possession v1\n" + s.Site.Origin + "\n" + intent.String() + "\n")
}

func proveKey(ctx context.Context, env ceremony.Env, s hsm.Session, act ceremony.Act) error {
	k := keyMade(env.State())
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token signs to prove that it holds the key")
		return signs(ctx, env, s, intent, k.Body.ID, k.Body.Public, line("Proof of possession", "the token signed, the signature verifies with the public key"))
	})
}

// signs has the key with this id sign the act's challenge; only a signature that
// the public key on record verifies is a proof.
func signs(ctx context.Context, env ceremony.Env, s hsm.Session, intent ledger.Hash, id string, public ledger.Hash, proof ceremony.Line) (ceremony.Found, error) {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return ceremony.Found{}, err
	}
	sig, err := s.Sign(ctx, raw, challenge(env.State(), intent))
	if err != nil {
		return ceremony.Found{}, err
	}
	spki, err := env.State().Blob(public)
	if err != nil {
		return ceremony.Found{}, err
	}
	if err := verify(spki, challenge(env.State(), intent), sig); err != nil {
		return ceremony.Found{}, err
	}
	return ceremony.Found{Outcome: ceremony.Done, Facts: []ceremony.Line{proof, mono("Signature", hex.EncodeToString(sig))}}, nil
}

// verify checks a signature as hsm.Session.Sign makes it.
func verify(spki, message, sig []byte) error {
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("the public key is not readable: %w", err)
	}
	ok := false
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest(k.Curve.Params().BitSize, message), sig)
	case *rsa.PublicKey:
		d := sha256.Sum256(message)
		ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, d[:], sig) == nil
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, message, sig)
	}
	if !ok {
		return errors.New("the token's signature does not verify with the public key")
	}
	return nil
}

func digest(bits int, message []byte) []byte {
	switch {
	case bits <= 256:
		d := sha256.Sum256(message)
		return d[:]
	case bits <= 384:
		d := sha512.Sum384(message)
		return d[:]
	}
	d := sha512.Sum512(message)
	return d[:]
}

func removeRemains(ctx context.Context, env ceremony.Env, s hsm.Session, act ceremony.Act) error {
	return env.Act(ctx, act, func(ctx context.Context, _ ledger.Hash) (ceremony.Found, error) {
		env.Working("The token deletes what the interrupted act left")
		id, err := hex.DecodeString(act.With["id"])
		if err != nil {
			return ceremony.Found{}, err
		}
		left, err := s.Destroy(ctx, hsm.Query{ID: id})
		if err != nil {
			return ceremony.Found{}, err
		}
		return absence(id, left), nil
	})
}

func absence(id []byte, left int) ceremony.Found {
	facts := []ceremony.Line{mono("Key identifier", hex.EncodeToString(id)), line("Objects with it in the token", fmt.Sprint(left))}
	if left > 0 {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: facts}
	}
	return ceremony.Found{Outcome: ceremony.Done, Facts: facts}
}

// Reconcile looks for the CKA_ID that names the intent.
func (k generateKey) Reconcile(ctx context.Context, env ceremony.Env, st script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	switch in.Intent.Act.Do {
	case prove:
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Proof of possession", "a signature leaves nothing in the token; it will be made again")}}, nil
	case remove:
		id, err := hex.DecodeString(in.Intent.Act.With["id"])
		if err != nil {
			return ceremony.Found{}, err
		}
		left, err := s.Find(ctx, hsm.Query{ID: id})
		return absence(id, len(left)), err
	}
	id := in.Leaf[:20]
	objects, err := s.Find(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	if len(objects) == 0 {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{mono("Key identifier", hex.EncodeToString(id)), line("Objects with it in the token", "0")}}, nil
	}
	key, err := inspect(ctx, s, keySpec(in.Intent.Act, in.Leaf))
	var other *hsm.Mismatch
	if err == nil {
		return generated(env, st, in.Leaf, key.Private, key.SPKI)
	}
	if !errors.As(err, &other) {
		return ceremony.Found{}, err
	}
	found := ceremony.Found{Outcome: ceremony.HalfDone, Facts: []ceremony.Line{mono("Key identifier", hex.EncodeToString(id)), line("Other than authorised", differing(other))},
		Records: []ceremony.Entry{{Kind: ceremony.KeyQuarantinedKind, Body: ceremony.KeyQuarantined{ID: hex.EncodeToString(id), Intent: in.Leaf, Label: st.With["label"],
			Reason: "it is not the key that was authorised, or half of it: " + differing(other), Serial: env.State().Open.Token}}}}
	for _, o := range objects {
		found.Facts = append(found.Facts, line("In the token", o.Class+" "+o.Label))
	}
	return found, nil
}

// usage is what the token lets a key of this purpose do.
func usage(purpose string) hsm.Purpose {
	if ceremony.Signs(purpose) {
		return hsm.Sign
	}
	return hsm.Purpose(purpose)
}

// keySpec is the key that an act authorises.
func keySpec(act ceremony.Act, intent ledger.Hash) hsm.KeySpec {
	return hsm.KeySpec{ID: intent[:20], Label: act.With["label"], Algorithm: hsm.Algorithm(act.With["algorithm"]),
		Purpose: usage(act.With["purpose"]), Protection: hsm.Protection(act.With["protection"])}
}

// inspect compares every attribute of what the token holds with what was asked for, as
// the generation itself does.
func inspect(ctx context.Context, s hsm.Session, spec hsm.KeySpec) (hsm.Key, error) {
	i, ok := s.(hsm.Inspector)
	if !ok {
		return hsm.Key{}, &hsm.Error{Class: hsm.NotSupported, Op: "read the key", Why: "the module's driver does not compare"}
	}
	return i.Inspect(ctx, spec)
}

// differing names the attributes, not their values: those are the token's words.
func differing(m *hsm.Mismatch) string {
	var names []string
	for _, d := range m.Wrong {
		names = append(names, d.Attribute)
	}
	return strings.Join(names, ", ")
}

// readFingerprint: the fingerprint is read aloud, written down by everyone, and
// compared.
type readFingerprint struct{ noActs }

func (readFingerprint) Name() string { return "read-fingerprint" }
func (readFingerprint) Version() int { return 1 }
func (readFingerprint) Doc() string {
	return "The fingerprint of the new key is read aloud and written down by everyone."
}

func (readFingerprint) Play(w *ceremony.World, _ script.Step) error {
	if !w.TokenOpen {
		return fmt.Errorf("no key was made before")
	}
	w.Unread = ""
	return nil
}

func (readFingerprint) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	k := keyMade(s)
	if k == nil || value(b.Facts, "Fingerprint read aloud") != k.Body.Fingerprint {
		return broken("key.fingerprint", "it is not the fingerprint of the key that was made")
	}
	return nil
}

func (readFingerprint) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	k := keyMade(env.State())
	if k == nil {
		return fmt.Errorf("no key was made in this ceremony")
	}
	l := hash("Fingerprint read aloud", k.Body.Fingerprint)
	env.Shown(l)
	p := ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the fingerprint aloud", Facts: facts([]ceremony.Line{line("Label", k.Body.Label), line("Algorithm", algorithmOf(k.Body)), line("Protection", ceremony.ProtectionWords(k.Body.Protection)), l}),
		Text: "Read it in groups of four. Everyone writes it on their own sheet; the witness reads it back."}
	if w := env.State().Open.InRole("witness"); len(w) > 0 {
		p.Who, p.Role = env.State().Someone(w[0]), "witness"
	}
	if _, err := env.Ask(ctx, p); err != nil {
		return err
	}
	return finish(ctx, env, st, l, line("Written down by", "everyone present, as stated"))
}
