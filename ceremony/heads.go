package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"claviger/hsm"
	"claviger/ledger"
)

// headApplication is the CKA_APPLICATION of the heads kept in a token.
const headApplication = "claviger"

// HeadLabel is how a head of this site begins; its size follows.
func HeadLabel(siteID string) string { return "ledger-head/" + siteID + "/" }

// KeepHead stores the last checkpoint in the token, where whoever only holds
// the file cannot take it away. It is bookkeeping: no intent, no authorisation,
// and a token without room for it is a fault on record, not an end.
func (e *env) KeepHead(ctx context.Context) error {
	p := e.state.lastRun()
	if p == nil || !p.TokenOpen || p.OpenedAs != string(hsm.Operator) || e.sessions[p.Token] == nil || e.state.Note == "" || e.state.Contradiction != "" {
		return nil
	}
	d := hsm.Data{Application: headApplication, Label: fmt.Sprintf("%s%d", HeadLabel(e.state.Site.ID), e.state.SignedTo), Private: true, WriteOnce: true, Value: []byte(e.state.Note)}
	err := e.sessions[p.Token].PutData(ctx, d)
	var mismatch *hsm.Mismatch
	if ClassOf(err) == hsm.NotSupported || errors.As(err, &mismatch) {
		err = e.replaceHeads(ctx, e.sessions[p.Token], d)
	}
	if err != nil {
		return e.fault(ctx, p.Token, ledger.Hash{}, fmt.Errorf("couldn't keep the head in the token: %w", err))
	}
	return nil
}

// replaceHeads serves a token that knows no write-once objects: the new head is
// made and read back before the older ones go.
func (e *env) replaceHeads(ctx context.Context, s hsm.Session, d hsm.Data) error {
	older, err := s.GetData(ctx, headApplication)
	if err != nil {
		return err
	}
	d.WriteOnce = false
	if err := s.PutData(ctx, d); err != nil {
		return err
	}
	for _, o := range older {
		if strings.HasPrefix(o.Label, HeadLabel(e.state.Site.ID)) && o.Label != d.Label {
			if _, err := s.Destroy(ctx, hsm.Query{Class: "data", Label: o.Label}); err != nil {
				return err
			}
		}
	}
	return nil
}

// CompareHeads holds every head that the token keeps for this site against the
// ledger, and records the newest that agrees, or the first that does not.
func (e *env) CompareHeads(ctx context.Context) error {
	s, err := e.Session(ctx)
	if err != nil {
		return err
	}
	all, err := s.GetData(ctx, headApplication)
	if err != nil {
		return err
	}
	var newest *CheckpointCompared
	for _, d := range all {
		if !strings.HasPrefix(d.Label, HeadLabel(e.state.Site.ID)) {
			continue
		}
		c, err := e.compare(string(d.Value), "token "+e.state.Open.Token)
		if errors.Is(err, ErrNote) {
			c.Result, c.Detail = HeadForeign, limitText("the head that the token keeps is damaged: "+err.Error())
		} else if err != nil {
			return err
		}
		if c.Result == HeadOlder {
			c.Result = HeadAgrees // a token guards up to its own last use
		}
		if c.Result != HeadAgrees {
			if _, err := e.append(ctx, nil, Entry{CheckpointComparedKind, c}); err != nil {
				return err
			}
			return &Problem{Happened: "This ledger contradicts a head that the token keeps: " + c.Detail + ".",
				Safe: "The site is read-only from here. The token's head and this file are both evidence.",
				Do:   "Stop, keep everything as it is, and call the auditor. Nothing in this program accepts a contradiction.", Code: c.Result}
		}
		if newest == nil || c.Size > newest.Size {
			newest = &c
		}
	}
	if newest == nil {
		return nil
	}
	_, err = e.append(ctx, nil, Entry{CheckpointComparedKind, *newest})
	return err
}

// compare judges one head by the tree of this file.
func (e *Engine) compare(text, source string) (CheckpointCompared, error) {
	c, err := e.state.judge(text, func(size int64) (ledger.Hash, error) { return ledger.RootAt(e.store, size) })
	c.Source = source
	return c, err
}

// comparedWith says what this record was held against, for a screen.
func (s *State) comparedWith() []string {
	var out []string
	for _, source := range sortedKeys(s.Compared) {
		out = append(out, fmt.Sprintf("%s, up to record %d", source, s.Compared[source]-1))
	}
	slices.Sort(out)
	return out
}

// foreignBrought names the checkpoints that no key of this site has signed.
func (s *State) foreignBrought() []string {
	var out []string
	for _, id := range sortedKeys(s.Foreign) {
		out = append(out, fmt.Sprintf("record %d: a checkpoint that %s brought is signed by no key of this site", s.Foreign[id], s.Someone(id).Name))
	}
	return out
}
