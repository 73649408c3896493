/* A PKCS#11 module that stands in front of a real one and misbehaves as its
 * control file says. REAL, CONTROL, LOG and REACHED are paths set by the compiler;
 * RESERVED is text for a module that asks C_Initialize for some (NSS), or "".
 *
 * Control file, one order a line:
 *   generation N                        a new number starts all counts again
 *   at FUNCTION NTH before|after WHAT   NTH 0: every call; FUNCTION *: any call
 *        WHAT: return CODE | crash | kill | hang | remove
 *   attribute CLASS TYPE HEX            what objects of this class say (hex numbers),
 *                                       no longer than what they really have
 *   only-slot N                         no other slot is listed
 *   random BYTE                         the generator gives nothing but this byte
 *   repeat                              the generator gives 0, 1, 2, … each time
 *   hide-mechanism N                    it is not listed
 *   blind                               once an object was to be destroyed, searches find none
 *   token-flags SET CLEAR, slot-flags SET CLEAR
 *   pad                                 tokens take no PIN: people enter it on the device
 *
 * At the pad the shim is the people's hands. They choose another PIN at each change,
 * and remember the last one for which the call said that it was set, or of which they
 * saw at the device that it was. Where that is wrong, they take the one before at the
 * next try. PAD is the folder of their memory, PINS a list of
 * every PIN that a call brought, by its length, with "at the pad" where it was null.
 *
 * Every function of PKCS#11 v2.40 takes at most eight arguments of a machine word,
 * so one wrapper passes any of them on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*call)(word, word, word, word, word, word, word, word);
struct list { unsigned char major, minor; call f[68]; };
struct attribute { word type; unsigned char *value; word len; };

static const char *names[68] = {
	"C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList",
	"C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo",
	"C_InitToken", "C_InitPIN", "C_SetPIN", "C_OpenSession", "C_CloseSession",
	"C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState",
	"C_Login", "C_Logout", "C_CreateObject", "C_CopyObject", "C_DestroyObject",
	"C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue", "C_FindObjectsInit",
	"C_FindObjects", "C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate",
	"C_EncryptFinal", "C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal",
	"C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey", "C_DigestFinal",
	"C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit",
	"C_SignRecover", "C_VerifyInit", "C_Verify", "C_VerifyUpdate", "C_VerifyFinal",
	"C_VerifyRecoverInit", "C_VerifyRecover", "C_DigestEncryptUpdate",
	"C_DecryptDigestUpdate", "C_SignEncryptUpdate", "C_DecryptVerifyUpdate",
	"C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey",
	"C_SeedRandom", "C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction",
	"C_WaitForSlotEvent",
};

enum { INIT_TOKEN = 9, INIT_PIN = 10, SET_PIN = 11, GET_SESSION_INFO = 15, LOGIN = 18 };
enum { CKU_SO = 0, CKU_USER = 1, PIN_INCORRECT = 0xA0, PIN_INVALID = 0xA1, PROTECTED_PATH = 0x100 };
enum { GET_SLOT_LIST = 4, GET_SLOT_INFO = 5, GET_TOKEN_INFO = 6, GET_MECHANISM_LIST = 7, DESTROY_OBJECT = 22,
	GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS = 27, GENERATE_RANDOM = 64 };
enum { DEVICE_REMOVED = 0x32 };

static struct list *real, ours;
static long generation = -1, counts[68], any;
static int removed;

static void note(const char *name, const char *end)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s%s\n", name, end);
	int fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
}

static void hang(void)
{
	int fd = open(REACHED, O_WRONLY | O_CLOEXEC); /* waits for the test to look */
	if (fd >= 0) {
		if (write(fd, "!", 1) != 1)
			abort();
		close(fd);
	}
	for (;;)
		pause();
}

/* obey carries out the orders for one side of one call; 1 with a code to return. */
static int obey(int i, const char *when, word *rv)
{
	char line[256], function[64], side[16], what[16];
	long nth;
	int found = 0;
	FILE *f = fopen(CONTROL, "re");
	if (!f)
		abort();
	while (!found && fgets(line, sizeof line, f)) {
		char code[32] = "";
		if (sscanf(line, "at %63s %ld %15s %15s %31s", function, &nth, side, what, code) < 4)
			continue;
		int each = !strcmp(function, "*");
		if ((!each && strcmp(function, names[i])) || strcmp(side, when))
			continue;
		if (nth != 0 && nth != (each ? any : counts[i]))
			continue;
		if (!strcmp(what, "return")) {
			*rv = strtoul(code, NULL, 0);
			found = 1;
		} else if (!strcmp(what, "remove")) {
			removed = 1;
			*rv = DEVICE_REMOVED;
			found = 1;
		} else if (!strcmp(what, "kill")) {
			kill(getpid(), SIGKILL);
		} else if (!strcmp(what, "crash")) {
			*(volatile int *)0 = 1;
		} else if (!strcmp(what, "hang")) {
			fclose(f);
			hang();
		}
	}
	fclose(f);
	return found;
}

static void refresh(void)
{
	char line[256];
	long g;
	FILE *f = fopen(CONTROL, "re");
	if (!f)
		abort();
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "generation %ld", &g) == 1 && g != generation) {
			generation = g;
			memset(counts, 0, sizeof counts);
			any = 0;
			removed = 0;
		}
	fclose(f);
}

static int ordered(const char *what)
{
	char line[256];
	int found = 0;
	FILE *f = fopen(CONTROL, "re");
	if (!f)
		abort();
	while (fgets(line, sizeof line, f))
		found |= !strncmp(line, what, strlen(what)) && line[strlen(what)] == '\n';
	fclose(f);
	return found;
}

/* The functions that take PINs, and where in their arguments each stands. */
static const struct { int call, pins, at[2]; } taking[] = {
	{ INIT_TOKEN, 1, { 1 } }, { INIT_PIN, 1, { 1 } }, { SET_PIN, 2, { 1, 3 } }, { LOGIN, 1, { 2 } },
};

static void serial_of(int i, word first, char *serial)
{
	word session[4] = { first }, token[32] = { 0 };
	if (i != INIT_TOKEN)
		real->f[GET_SESSION_INFO](first, (word)session, 0, 0, 0, 0, 0, 0);
	real->f[GET_TOKEN_INFO](session[0], (word)token, 0, 0, 0, 0, 0, 0);
	snprintf(serial, 17, "%.16s", (char *)token + 80);
	serial[strcspn(serial, " ")] = 0;
}

static int remembered(const char *serial, int who, int change)
{
	char path[4096];
	int n = 0;
	snprintf(path, sizeof path, "%s/%s.%s", PAD, serial, who == CKU_SO ? "so" : "user");
	FILE *f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%d", &n) != 1)
			abort();
		fclose(f);
	}
	if (change) {
		f = fopen(path, "we");
		if (!f || fprintf(f, "%d", n += change) < 0 || fclose(f))
			abort();
	}
	return n;
}

/* at_pad puts in what people enter; what it changes is in who, or -1. */
static int last = CKU_USER; /* who logged in */

static word at_pad(int i, word *a, char pins[2][32], char *serial, int *who)
{
	char line[64];
	int pad = ordered("pad");
	*who = -1;
	for (unsigned k = 0; k < sizeof taking / sizeof *taking; k++) {
		if (taking[k].call != i)
			continue;
		int sent = 0;
		for (int p = 0; p < taking[k].pins; p++)
			sent |= a[taking[k].at[p]] || a[taking[k].at[p] + 1];
		snprintf(line, sizeof line, sent ? " brought a PIN" : " at the pad");
		int fd = open(PINS, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (fd < 0 || dprintf(fd, "%s%s\n", names[i], line) < 0)
			abort();
		close(fd);
		if (!pad)
			return 0;
		if (sent)
			return PIN_INVALID;
		serial_of(i, a[0], serial);
		if (i == LOGIN)
			last = a[1];
		int now = i == INIT_TOKEN ? CKU_SO : i == INIT_PIN ? CKU_USER : last;
		int n = remembered(serial, now, 0);
		if (i == INIT_PIN || i == SET_PIN)
			*who = now;
		for (int p = 0; p < taking[k].pins; p++) {
			int chosen = i == INIT_PIN || p == 1;
			snprintf(pins[p], 32, "at the pad %s %d", now == CKU_SO ? "so" : "user", n + chosen);
			a[taking[k].at[p]] = (word)pins[p];
			a[taking[k].at[p] + 1] = strlen(pins[p]);
		}
	}
	return 0;
}

static word class_of(word session, word object)
{
	word class = ~0UL;
	struct attribute a = { 0, (unsigned char *)&class, sizeof class };
	real->f[GET_ATTRIBUTE_VALUE](session, object, (word)&a, 1, 0, 0, 0, 0);
	return class;
}

static void lie(int i, const word *a)
{
	char line[1024], hex[512];
	word class, type, set, clear;
	FILE *f = fopen(CONTROL, "re");
	if (!f)
		abort();
	while (fgets(line, sizeof line, f)) {
		if (i == GET_SLOT_LIST && sscanf(line, "only-slot %lx", &set) == 1) {
			*(word *)a[2] = 1;
			if (a[1])
				*(word *)a[1] = set;
		}
		if (i == GET_TOKEN_INFO && sscanf(line, "token-flags %lx %lx", &set, &clear) == 2) {
			word *flags = (word *)(a[1] + 96); /* after label, manufacturer, model, serial */
			*flags = (*flags | set) & ~clear;
		}
		if (i == GET_TOKEN_INFO && !strcmp(line, "pad\n"))
			*(word *)(a[1] + 96) |= PROTECTED_PATH;
		if (i == GET_SLOT_INFO && sscanf(line, "slot-flags %lx %lx", &set, &clear) == 2) {
			word *flags = (word *)(a[1] + 96); /* after description, manufacturer */
			*flags = (*flags | set) & ~clear;
		}
		if (i == GET_MECHANISM_LIST && a[1] && sscanf(line, "hide-mechanism %lx", &set) == 1) {
			word *list = (word *)a[1], *count = (word *)a[2], kept = 0;
			for (word k = 0; k < *count; k++)
				if (list[k] != set)
					list[kept++] = list[k];
			*count = kept;
		}
		if (i == FIND_OBJECTS && counts[DESTROY_OBJECT] && !strncmp(line, "blind", 5))
			*(word *)a[3] = 0;
		if (i == GENERATE_RANDOM && sscanf(line, "random %lx", &set) == 1)
			memset((void *)a[1], set, a[2]);
		if (i == GENERATE_RANDOM && !strncmp(line, "repeat", 6))
			for (word k = 0; k < a[2]; k++)
				((unsigned char *)a[1])[k] = k;
		if (i == GET_ATTRIBUTE_VALUE && sscanf(line, "attribute %lx %lx %511s", &class, &type, hex) == 3) {
			struct attribute *t = (struct attribute *)a[2];
			for (word k = 0; k < a[3]; k++) {
				if (t[k].type != type || class_of(a[0], a[1]) != class)
					continue;
				word n = strlen(hex) / 2;
				if (!t[k].value || n > t[k].len)
					continue; /* asked for the length: the real one has room */
				for (word b = 0; b < n; b++) {
					unsigned v;
					sscanf(hex + 2 * b, "%2x", &v);
					t[k].value[b] = v;
				}
				t[k].len = n;
			}
		}
	}
	fclose(f);
}

static word pass(int i, word *a)
{
	word rv, forced;
	char pins[2][32], serial[17];
	int who;
	refresh();
	counts[i]++;
	any++;
	note(names[i], "");
	if (removed) {
		if (i == GET_SLOT_LIST) { /* the module lives, its slot is empty */
			*(word *)a[2] = 0;
			return 0;
		}
		if (i > 3)
			return DEVICE_REMOVED;
	}
	if ((rv = at_pad(i, a, pins, serial, &who)))
		return rv;
	if (obey(i, "before", &forced)) {
		if (who >= 0 && forced == 0)
			remembered(serial, who, 1); /* they were told that it is set */
		return forced;
	}
	if (i == 0 && *RESERVED && a[0])
		((word *)a[0])[5] = (word)RESERVED; /* CK_C_INITIALIZE_ARGS.pReserved */
	rv = real->f[i](a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
	if (who >= 0 && rv == 0)
		remembered(serial, who, 1);
	if (i == LOGIN && rv == PIN_INCORRECT && ordered("pad") && remembered(serial, last, 0) > 0)
		remembered(serial, last, -1);
	if (obey(i, "after", &forced)) {
		note(names[i], " took effect");
		return forced;
	}
	if (rv == 0)
		lie(i, a);
	return rv;
}

#define W(n) static word w##n(word a, word b, word c, word d, word e, word f, word g, word h) \
	{ word v[] = { a, b, c, d, e, f, g, h }; return pass(n, v); }
#define TEN(W, t) W(t##0) W(t##1) W(t##2) W(t##3) W(t##4) W(t##5) W(t##6) W(t##7) W(t##8) W(t##9)
#define ALL(W) W(0) W(1) W(2) W(3) W(4) W(5) W(6) W(7) W(8) W(9) TEN(W, 1) TEN(W, 2) TEN(W, 3) \
	TEN(W, 4) TEN(W, 5) W(60) W(61) W(62) W(63) W(64) W(65) W(66) W(67)
ALL(W)
#define POINTER(n) w##n,

word C_GetFunctionList(struct list **out)
{
	static const call wrappers[68] = { ALL(POINTER) };
	if (!real) {
		void *h = dlopen(REAL, RTLD_NOW);
		word (*get)(struct list **) = h ? (word (*)(struct list **))dlsym(h, "C_GetFunctionList") : 0;
		if (!get || get(&real))
			return 5;
		ours.major = real->major;
		ours.minor = real->minor;
		memcpy(ours.f, wrappers, sizeof wrappers);
		ours.f[3] = (call)C_GetFunctionList;
	}
	*out = &ours;
	return 0;
}
