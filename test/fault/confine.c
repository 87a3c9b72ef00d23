/* confine [OPTION...] -- COMMAND...: runs a command in a place where something is missing.
 *
 * options:
 *   --no-uring ERRNO  io_uring's three system calls fail with ERRNO (seccomp, as containers do)
 *   --memlock BYTES   RLIMIT_MEMLOCK, without the capability to exceed it
 *   --fsize BYTES     RLIMIT_FSIZE
 *   --peak FILE       writes the command's largest resident set to FILE, in KiB
 *
 * Its exit status is the command's; 98: the place cannot be made here, 128 + N: signal N. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(98);
}

static void deny_uring(int error)
{
	/* io_uring_setup, io_uring_enter, io_uring_register have one number everywhere. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 425, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 427, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & 0xffff)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		give_up("seccomp");
}

static void limit(int what, const char *bytes)
{
	const rlim_t most = strtoull(bytes, NULL, 10);
	const struct rlimit value = {most, most};

	/* An unprivileged user has no capability to drop. */
	if (what == RLIMIT_MEMLOCK && prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK) && errno != EPERM)
		give_up("CAP_IPC_LOCK");
	if (setrlimit(what, &value))
		give_up("setrlimit");
}

static int watch(char **command, const char *peak)
{
	struct rusage usage;
	int status;
	FILE *file;
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		execvp(command[0], command);
		give_up(command[0]);
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		give_up("wait");
	file = fopen(peak, "w");
	if (!file || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file))
		give_up(peak);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *peak = NULL;
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
		if (!strcmp(argv[i], "--no-uring"))
			deny_uring(atoi(argv[i + 1]));
		else if (!strcmp(argv[i], "--memlock"))
			limit(RLIMIT_MEMLOCK, argv[i + 1]);
		else if (!strcmp(argv[i], "--fsize"))
			limit(RLIMIT_FSIZE, argv[i + 1]);
		else if (!strcmp(argv[i], "--peak"))
			peak = argv[i + 1];
	}
	if (i + 1 >= argc) {
		fputs("usage: see the top of test/fault/confine.c\n", stderr);
		return 98;
	}
	if (peak)
		return watch(argv + i + 1, peak);
	execvp(argv[i + 1], argv + i + 1);
	give_up(argv[i + 1]);
	return 98;
}
