#include "tools/train/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int ps_gnuplot_run(FILE *script, FILE *out, FILE *errors)
{
	/* -d: without the user's or the machine's settings. */
	static char *const arguments[] = {"gnuplot", "-d", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, rc = posix_spawn_file_actions_init(&actions);

	if (rc)
		return rc;
	rc = posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, fileno(errors), STDERR_FILENO);
	if (!rc)
		rc = posix_spawnp(&pid, "gnuplot", &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		return rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
