// Copyright (c) 2026 srt.slurm developers
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A small SPANK plugin for tests. It gives srun the options of the container plugin that clusters have, so that a real
// srun takes the real command line, and it records on the node what arrived. It runs no container: the command runs on
// the node itself.
//
// plugstack.conf:  required /path/spank_container.so /directory/for/records
//
// Each task with an image appends one line to <directory>/<job>.<step>: the options, tab separated, in the order of
// the table below; an option without a value is written as its name alone.

#include <limits.h>
#include <slurm/spank.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SPANK_PLUGIN(srt_container, 1)

enum { COUNT = 13 };
static char *values[COUNT];
static int given[COUNT];

static int take(int number, const char *value, int remote)
{
	(void) remote;
	free(values[number]);
	values[number] = value ? strdup(value) : NULL;
	given[number] = 1;
	return ESPANK_SUCCESS;
}

static struct spank_option options[COUNT + 1] = {
	{"container-image", "IMAGE", "image", 1, 0, take},
	{"container-mounts", "SRC:DST[:FLAGS][,...]", "mounts", 1, 1, take},
	{"container-workdir", "PATH", "working directory", 1, 2, take},
	{"container-name", "NAME", "name", 1, 3, take},
	{"container-env", "NAME[,...]", "variables of the host that win", 1, 4, take},
	{"container-mount-home", NULL, "mount the home directory", 0, 5, take},
	{"no-container-mount-home", NULL, "do not mount the home directory", 0, 6, take},
	{"container-remap-root", NULL, "be root inside", 0, 7, take},
	{"no-container-remap-root", NULL, "do not be root inside", 0, 8, take},
	{"container-entrypoint", NULL, "run the entrypoint", 0, 9, take},
	{"no-container-entrypoint", NULL, "do not run the entrypoint", 0, 10, take},
	{"container-writable", NULL, "writable", 0, 11, take},
	{"container-readonly", NULL, "read-only", 0, 12, take},
	SPANK_OPTIONS_TABLE_END
};

// The border between mounts is a comma and their parts are divided by colons; as strict as the real one.
static int wrong(const char *mounts)
{
	char *text = mounts ? strdup(mounts) : NULL, *rest = NULL;
	int bad = 0;
	for (char *one = text ? strtok_r(text, ",", &rest) : NULL; one; one = strtok_r(NULL, ",", &rest)) {
		char *colon = strchr(one, ':');
		if (one[0] != '/' || !colon || colon[1] != '/')
			bad = 1;
	}
	free(text);
	return bad;
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
	if (given[1] && !given[0]) {
		slurm_error("container-mounts without container-image");
		return -1;
	}
	if (wrong(values[1])) {
		slurm_error("container-mounts: \"%s\" is not SRC:DST[:FLAGS][,...]", values[1]);
		return -1;
	}
	return 0;
}

int slurm_spank_task_init(spank_t sp, int ac, char **av)
{
	uint32_t job = 0, step = 0;
	char path[PATH_MAX];
	if (!given[0] || ac < 1)
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
	return fclose(record) ? -1 : 0;
}
