//go:build cgo && unix

package p11

/*
#cgo linux LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

typedef unsigned long number;
struct functions { unsigned char major, minor; void *f[68]; };
enum { INIT_TOKEN = 9, INIT_PIN = 10, SET_PIN = 11, LOGIN = 18 };

// loaded gives the functions of a module that this process has loaded already.
static struct functions *loaded(const char *path)
{
	struct functions *list = NULL;
	void *h = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (!h)
		return NULL;
	number (*get)(struct functions **) = (number (*)(struct functions **))dlsym(h, "C_GetFunctionList");
	if (get && get(&list) != 0)
		list = NULL;
	dlclose(h); // who loaded it keeps it
	return list;
}

static number init_token(struct functions *l, number slot, char *label)
{
	return ((number (*)(number, char *, number, char *))l->f[INIT_TOKEN])(slot, NULL, 0, label);
}

static number init_pin(struct functions *l, number session)
{
	return ((number (*)(number, char *, number))l->f[INIT_PIN])(session, NULL, 0);
}

static number set_pin(struct functions *l, number session)
{
	return ((number (*)(number, char *, number, char *, number))l->f[SET_PIN])(session, NULL, 0, NULL, 0);
}

static number login(struct functions *l, number session, number user)
{
	return ((number (*)(number, number, char *, number))l->f[LOGIN])(session, user, NULL, 0);
}
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// pad makes the calls that have people authenticate on the device itself. PKCS#11
// asks for a null pointer in the place of the PIN; miekg/pkcs11 sends an empty
// string, which is a PIN.
type pad struct{ list *C.struct_functions }

func padOf(path string) (pad, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	list := C.loaded(p)
	if list == nil {
		return pad{}, fmt.Errorf("couldn't find the functions of %s again", path)
	}
	return pad{list}, nil
}

func (p pad) initToken(slot uint, label string) error {
	l := C.CString(label + strings.Repeat(" ", 32-len(label)))
	defer C.free(unsafe.Pointer(l))
	return answered(C.init_token(p.list, C.number(slot), l))
}

func (p pad) initPIN(s pkcs11.SessionHandle) error { return answered(C.init_pin(p.list, C.number(s))) }
func (p pad) setPIN(s pkcs11.SessionHandle) error  { return answered(C.set_pin(p.list, C.number(s))) }
func (p pad) login(s pkcs11.SessionHandle, user uint) error {
	return answered(C.login(p.list, C.number(s), C.number(user)))
}

func answered(rv C.number) error {
	if rv != pkcs11.CKR_OK {
		return pkcs11.Error(rv)
	}
	return nil
}
