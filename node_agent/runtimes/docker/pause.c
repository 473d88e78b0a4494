/*
 * The first process of a pod's sandbox: it holds the namespaces, reaps what is left to it, and ends on TERM.
 *
 * With the argument "net" it makes the pod's network namespace itself and then drops every capability. Docker takes
 * about 100 ms longer to make one (it runs itself again as a hook of runc); containers that join by
 * "container:<sandbox>" get the namespace that this process is in, whoever made it.
 *
 * Exit code 77: the machine does not let it make the namespace.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_MAKE_NETWORK 77

static void end(int number)
{
	(void)number;
	_exit(0);
}

static void reap(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int make_network(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (unshare(CLONE_NEWNET))
		return -1;
	return (int)syscall(SYS_capset, &header, none);
}

int main(int count, char **arguments)
{
	signal(SIGTERM, end);
	signal(SIGINT, end);
	signal(SIGCHLD, reap);
	if (count > 1 && !strcmp(arguments[1], "net") && make_network())
		return CANNOT_MAKE_NETWORK;
	for (;;)
		pause();
}
