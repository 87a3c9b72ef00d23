/* Stands in gnuplot's place in PATH: gives the drawing that gnuplot made of the same script before.
 * A script that is new goes to gnuplot. The commands are run so often here that nearly all of their
 * time would be gnuplot's.
 *
 * FAULT_DRAWINGS names the folder of the drawings, FAULT_GNUPLOT the real program. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

static char text[1 << 22];

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(99);
}

static size_t read_all(int fd)
{
	size_t length = 0;
	ssize_t got;

	while ((got = read(fd, text + length, sizeof text - length)) > 0)
		length += (size_t)got;
	if (got < 0 || length == sizeof text)
		give_up("a script or a drawing");
	return length;
}

static void write_all(int fd, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t put = write(fd, text + done, length - done);

		if (put < 0)
			give_up("a script or a drawing");
		done += (size_t)put;
	}
}

/* Returns gnuplot's status. Its complaints go where this program's go. */
static int draw(char **argv, const char *script, const char *drawing)
{
	int status, in = open(script, O_RDONLY), out = open(drawing, O_RDWR | O_CREAT, 0600);
	pid_t pid = in >= 0 && out >= 0 ? fork() : -1;

	if (pid < 0)
		give_up(script);
	if (!pid) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		execv(getenv("FAULT_GNUPLOT"), argv);
		give_up("gnuplot");
	}
	if (waitpid(pid, &status, 0) < 0)
		give_up("wait");
	close(in);
	close(out);
	return status;
}

int main(int argc, char **argv)
{
	char kept[PATH_MAX], partial[PATH_MAX + 16], script[PATH_MAX + 32];
	const char *folder = getenv("FAULT_DRAWINGS");
	size_t length = read_all(STDIN_FILENO);
	int fd, status = 0;

	(void)argc;
	if (!folder || !getenv("FAULT_GNUPLOT"))
		give_up("FAULT_DRAWINGS, FAULT_GNUPLOT");
	snprintf(kept, sizeof kept, "%s/%016" PRIx64, folder, XXH3_64bits(text, length));
	snprintf(partial, sizeof partial, "%s.%d", kept, (int)getpid());
	snprintf(script, sizeof script, "%s.script", partial);
	fd = open(kept, O_RDONLY);
	if (fd < 0) {
		fd = open(script, O_RDWR | O_CREAT, 0600);
		write_all(fd, length);
		close(fd);
		status = draw(argv, script, partial);
		unlink(script);
		fd = open(partial, O_RDONLY);
		/* One that fails is tried again, and complains again. */
		if (status)
			unlink(partial);
		else if (rename(partial, kept))
			give_up(kept);
	}
	write_all(STDOUT_FILENO, read_all(fd));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
