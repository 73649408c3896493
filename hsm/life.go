package hsm

import (
	"context"
	"errors"
	"fmt"

	"claviger/hsm/secret"
)

// ChangePIN changes a user's PIN and proves it: with the old one the user logs in
// and changes it, with the new one the user must be let in. Nobody may be logged in
// before, nobody is afterwards. These are two logins, to be recorded before as all
// logins are; an error after the change says so, and then the new PIN may hold.
func ChangePIN(ctx context.Context, s Session, as User, old, new *secret.Buffer) error {
	op := fmt.Sprintf("change the PIN of the %s", as)
	token, err := s.Token(ctx)
	if err != nil {
		return err
	}
	if n := new.Len(); n < token.MinPIN || token.MaxPIN > 0 && n > token.MaxPIN {
		return &Error{Class: NotAllowed, Op: op, Why: fmt.Sprintf("the token takes PINs of %d to %d characters, not %d; the old one still holds", token.MinPIN, token.MaxPIN, n)}
	}
	if err := s.Login(ctx, as, old); err != nil {
		return err
	}
	if err := s.SetPIN(ctx, old, new); err != nil {
		return errors.Join(err, s.Logout(ctx))
	}
	if err := s.Logout(ctx); err != nil {
		return fmt.Errorf("the PIN of the %s was changed, but not proved: %w", as, err)
	}
	if err := s.Login(ctx, as, new); err != nil {
		return fmt.Errorf("the module reported that the PIN of the %s was changed, and does not accept the new one: %w", as, err)
	}
	return s.Logout(ctx)
}

// Erasure is what a token held before it was initialised again, and after.
type Erasure struct {
	Before []Object // what it showed without a login
	After  []Object // what it shows its new user: nothing
	Token  TokenInfo
}

// Zeroise initialises a token again, which erases it, sets the user PIN and logs in
// with it, as only then would a private object that was left be seen. Every session
// must be closed. Whoever can still log in before lists the private objects first.
func Zeroise(ctx context.Context, m Module, serial, label string, so, user *secret.Buffer) (Erasure, error) {
	var e Erasure
	var err error
	if e.Before, err = inventory(ctx, m, serial, func(Session) error { return nil }); err != nil {
		return e, err
	}
	if e.Token, err = m.InitToken(ctx, serial, label, so); err != nil {
		return e, err
	}
	e.After, err = inventory(ctx, m, e.Token.Serial, func(s Session) error {
		if err := s.Login(ctx, SecurityOfficer, so); err != nil {
			return err
		}
		if err := s.InitPIN(ctx, user); err != nil {
			return err
		}
		if err := s.Logout(ctx); err != nil {
			return err
		}
		if err := s.Login(ctx, Operator, user); err != nil {
			return err
		}
		e.Token, err = s.Token(ctx)
		return err
	})
	if err == nil && len(e.After) > 0 {
		err = &Error{Class: Broken, Op: "initialise the token", Why: fmt.Sprintf("the module reported success, but it still shows %d object(s)", len(e.After))}
	}
	return e, err
}

// inventory lists what a session shows that was prepared so.
func inventory(ctx context.Context, m Module, serial string, prepare func(Session) error) ([]Object, error) {
	s, err := m.Open(ctx, serial)
	if err != nil {
		return nil, err
	}
	if err := prepare(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	list, err := s.Find(ctx, Query{})
	return list, errors.Join(err, s.Close())
}
