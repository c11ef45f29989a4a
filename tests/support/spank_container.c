// Copyright (c) 2026 srt.slurm developers
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A small SPANK plugin for tests: it has the options, the rules and the messages of pyxis with enroot, as far as jobs
// notice them. A task with an image runs in a mount namespace of its own. Its root has the directories of the node with
// those of the image above them. It is read-only unless --container-writable is given; what is written is lost at
// the end. /tmp is private, the working directory is /, and the image and a login shell set the environment.
//
// plugstack.conf:  required /path/spank_container.so RECORDS [IMAGE]
//
// Each task with an image appends one line to RECORDS/<job>.<step>: the options, tab separated, in the order of the
// table below; an option without a value is written as its name alone.
//
// IMAGE/root is laid over the directories of the node; a character device 0:0 there hides a file of the node.
// IMAGE/import is a shell script that runs in the place of the import of an image that is not a file.

#define _GNU_SOURCE
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <slurm/spank.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

SPANK_PLUGIN(srt_container, 1)

enum { COUNT = 16, IMAGE = 0, MOUNTS = 1, WORKDIR = 2, ENV = 4, WRITABLE = 11 };
static char *values[COUNT];
static int given[COUNT];
static int take(int number, const char *value, int remote);

static struct spank_option options[COUNT + 1] = {
	{"container-image", "IMAGE", "image", 1, IMAGE, take},
	{"container-mounts", "SRC:DST[:FLAGS][,...]", "mounts", 1, MOUNTS, take},
	{"container-workdir", "PATH", "working directory", 1, WORKDIR, take},
	{"container-name", "NAME", "name", 1, 3, take},
	{"container-env", "NAME[,...]", "variables of the host that win", 1, ENV, take},
	{"container-mount-home", NULL, "mount the home directory", 0, 5, take},
	{"no-container-mount-home", NULL, "do not mount the home directory", 0, 6, take},
	{"container-remap-root", NULL, "be root inside", 0, 7, take},
	{"no-container-remap-root", NULL, "do not be root inside", 0, 8, take},
	{"container-entrypoint", NULL, "run the entrypoint", 0, 9, take},
	{"no-container-entrypoint", NULL, "do not run the entrypoint", 0, 10, take},
	{"container-writable", NULL, "writable", 0, WRITABLE, take},
	{"container-readonly", NULL, "read-only", 0, 12, take},
	{"container-entrypoint-log", NULL, "print what the entrypoint prints", 0, 13, take},
	{"container-save", "PATH", "save the container", 1, 14, take},
	{"container-unshare", "NAMESPACE[,...]", "further namespaces", 1, 15, take},
	SPANK_OPTIONS_TABLE_END
};

// Makes the root of the container at /mnt/root; mounts() writes "source<tab>target<tab>flags", line by line.
static const char *script =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; root=/mnt/root; umask 022\n"
	"mount --make-rprivate / && mount -t tmpfs container /mnt && mkdir $root /mnt/none || exit 1\n"
	"mount -t tmpfs root $root || exit 1\n"
	"for one in /*; do\n"
	"  name=${one#/}; at=$root$one; over=/mnt/none\n"
	"  [ ! -d \"$image/root$one\" ] || over=$image/root$one\n"
	"  if [ -L \"$one\" ]; then cp -P \"$one\" \"$at\"; continue; fi\n"
	"  [ -d \"$one\" ] || continue\n"
	"  mkdir \"$at\"\n"
	"  case $name in\n"
	"    dev|proc|sys) mount --rbind \"$one\" \"$at\";;\n"
	"    tmp) mount -t tmpfs -o mode=1777 tmp \"$at\";;\n"
	"    mnt|lost+found) ;;\n"
	"    *) mkdir -p /mnt/up/$name /mnt/work/$name\n"
	"       mount -t overlay -o lowerdir=$over:$one,upperdir=/mnt/up/$name,workdir=/mnt/work/$name image \"$at\";;\n"
	"  esac || exit 1\n"
	"done\n"
	"mount --bind /etc/hosts $root/etc/hosts; mount --bind /etc/resolv.conf $root/etc/resolv.conf 2>/dev/null\n"
	"tab=$(printf '\\t')\n"
	"mounts | while IFS=\"$tab\" read -r from to flags; do\n"
	"  [ -e \"$from\" ] || { echo \"enroot-mount: failed to mount: $from at $root$to: No such file or directory\"; exit 1; }\n"
	"  if [ -d \"$from\" ]; then mkdir -p \"$root$to\"; else mkdir -p \"$root${to%/*}\"; [ -e \"$root$to\" ] || : >\"$root$to\"; fi\n"
	"  mount --rbind \"$from\" \"$root$to\" || exit 1\n"
	"  case ,$flags, in *,ro,*) mount -o remount,bind,ro \"$root$to\";; esac\n"
	"done || exit 1\n"
	"[ -z \"$readonly\" ] || for at in $root $root/*; do\n"
	"  case ${at#$root} in /dev|/proc|/sys|/tmp) ;;\n"
	"    *) [ -L \"$at\" ] || ! mountpoint -q \"$at\" || mount -o remount,bind,ro \"$at\" || exit 1;;\n"
	"  esac\n"
	"done\n";

static int take(int number, const char *value, int remote)
{
	const char *name = options[number].name;
	// A flag and its opposite are neighbours in the table.
	int other = number >= 5 && number <= 12 ? (number % 2 ? number + 1 : number - 1) : COUNT;
	(void) remote;
	if (other < COUNT && given[other]) {
		slurm_error("pyxis: both --%s and --%s were specified", options[number < other ? number : other].name,
			    options[number < other ? other : number].name);
		return -1;
	}
	if (options[number].has_arg && (!value || !*value)) {
		slurm_error("pyxis: --%s: argument required", name);
		return -1;
	}
	free(values[number]);
	values[number] = value ? strdup(value) : NULL;
	given[number] = 1;
	if (number != MOUNTS)
		return ESPANK_SUCCESS;
	char *text = strdup(value), *rest = NULL;
	for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		char *to = strchr(one, ':');
		const char *wrong = !strchr("./", one[0]) ? "source" : to && !strchr("./", to[1]) ? "target" : NULL;
		if (wrong) {
			slurm_error("pyxis: mount %s must be a relative path or an absolute path", wrong);
			return -1;
		}
	}
	free(text);
	return ESPANK_SUCCESS;
}

int slurm_spank_init(spank_t sp, int ac, char **av)
{
	(void) ac;
	(void) av;
	for (int i = 0; i < COUNT; i++)
		if (spank_option_register(sp, &options[i]) != ESPANK_SUCCESS)
			return -1;
	return 0;
}

int slurm_spank_init_post_opt(spank_t sp, int ac, char **av)
{
	(void) sp;
	(void) ac;
	(void) av;
	if (given[MOUNTS] && !given[IMAGE])
		slurm_error("pyxis: ignoring --container-mounts because neither --container-image nor --container-name is set");
	return 0;
}

// The mounts are between double quotes in a file that a shell reads, as they are in the real one.
static void write_script(FILE *file, const char *image)
{
	fprintf(file, "image='%s'; readonly='%s'\nmounts() {\n:\n", image, given[WRITABLE] ? "" : "1");
	char *text = strdup(given[MOUNTS] ? values[MOUNTS] : ""), *rest = NULL;
	for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		char *from = strsep(&one, ":"), *to = one ? strsep(&one, ":") : from;
		for (char *mark = one ? strchr(one, '+') : NULL; mark; mark = strchr(mark, '+'))
			*mark = ',';
		fprintf(file, "echo \"%s\t%s\t%s\"\n", from, to, one ? one : "rw");
	}
	fprintf(file, "}\n%s", script);
	free(text);
}

// Runs /bin/sh with *file* as its script; on a failure prints what it said, as the log of *who*.
static int run(FILE *file, const char *who, const char *failure)
{
	char line[1024];
	int status = 0;
	FILE *log = tmpfile();
	rewind(file);
	pid_t child = fork();
	if (child == 0) {
		dup2(fileno(file), 0);
		dup2(fileno(log), 1);
		dup2(fileno(log), 2);
		execl("/bin/sh", "sh", "-s", NULL);
		_exit(127);
	}
	if (child > 0 && waitpid(child, &status, 0) == child && status == 0) {
		fclose(log);
		return 0;
	}
	slurm_error("pyxis: child %d failed with error code: %d", child, WEXITSTATUS(status));
	slurm_error("pyxis: %s", failure);
	slurm_error("pyxis: printing %s log file:", who);
	rewind(log);
	while (fgets(line, sizeof(line), log)) {
		line[strcspn(line, "\n")] = 0;
		slurm_error("pyxis:     %s", line);
	}
	fclose(log);
	return -1;
}

static int import(const char *image)
{
	const char *name = values[IMAGE];
	FILE *file = tmpfile();
	int done;
	if (strchr("./", name[0])) {
		fprintf(file, "[ -e '%s' ] || { echo '[ERROR] No such file or directory: %s'; exit 1; }\n", name, name);
		done = run(file, "enroot", "failed to create container filesystem");
	} else {
		slurm_spank_log("pyxis: importing docker image: %s", name);
		fprintf(file, "[ ! -e '%s/import' ] || exec sh '%s/import' </dev/null\n", image, image);
		done = run(file, "enroot", "failed to import docker image");
		if (done == 0)
			slurm_spank_log("pyxis: imported docker image: %s", name);
	}
	fclose(file);
	return done;
}

// Whether --container-env lets the variable of the host win.
static int of_host(const char *name)
{
	size_t length = strlen(name);
	for (const char *one = values[ENV]; one && *one; one += strcspn(one, ","), one += *one == ',')
		if (strcspn(one, ",") == length && strncmp(one, name, length) == 0)
			return 1;
	return 0;
}

static void set(spank_t sp, const char *name, const char *value)
{
	if (!of_host(name))
		value ? spank_setenv(sp, name, value, 1) : spank_unsetenv(sp, name);
}

static void set_environment(spank_t sp)
{
	char line[4096];
	struct passwd *user = getpwuid(getuid());
	FILE *file = fopen("/etc/environment", "r");
	while (file && fgets(line, sizeof(line), file)) {
		char *value = strchr(line, '=');
		line[strcspn(line, "\n")] = 0;
		if (value) {
			*value++ = 0;
			set(sp, line, value);
		}
	}
	if (file)
		fclose(file);
	// /etc/profile of the login shell comes last.
	set(sp, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set(sp, "HOME", user ? user->pw_dir : "/");
	set(sp, "USER", user ? user->pw_name : "root");
	set(sp, "SHELL", "/bin/sh");
	set(sp, "PWD", "/");
	set(sp, "LANG", NULL);
	set(sp, "LANGUAGE", NULL);
	set(sp, "LC_ALL", NULL);
}

// In the task, before Slurm looks for its program.
int slurm_spank_task_init_privileged(spank_t sp, int ac, char **av)
{
	uint32_t job = 0, step = 0;
	char path[PATH_MAX];
	const char *image = ac > 1 ? av[1] : "/nonexistent";
	if (!given[IMAGE] || ac < 1)
		return 0;
	spank_get_item(sp, S_JOB_ID, &job);
	spank_get_item(sp, S_JOB_STEPID, &step);
	snprintf(path, sizeof(path), "%s/%u.%u", av[0], job, step);
	FILE *record = fopen(path, "a");
	if (!record)
		return -1;
	for (int i = 0; i < COUNT; i++)
		if (given[i])
			fprintf(record, options[i].has_arg ? "%s=%s\t" : "%s\t", options[i].name, values[i]);
	fprintf(record, "\n");
	if (fclose(record) || import(image) < 0 || unshare(CLONE_NEWNS) < 0)
		return -1;
	FILE *file = tmpfile();
	write_script(file, image);
	int started = run(file, "enroot", "container start failed with error code: 1");
	fclose(file);
	if (started < 0) {
		slurm_error("pyxis: couldn't start container");
		return -1;
	}
	if (chroot("/mnt/root") < 0 || chdir("/") < 0) {
		slurm_error("pyxis: couldn't enter the container");
		return -1;
	}
	set_environment(sp);
	return 0;
}

// After Slurm has changed to the directory of --chdir.
int slurm_spank_task_init(spank_t sp, int ac, char **av)
{
	(void) sp;
	(void) ac;
	(void) av;
	if (given[IMAGE] && chdir(given[WORKDIR] ? values[WORKDIR] : "/") < 0) {
		slurm_error("pyxis: couldn't chdir to %s", values[WORKDIR]);
		return -1;
	}
	return 0;
}
