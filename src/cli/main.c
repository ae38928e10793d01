/* main.c - ckptctl: which command, its options, and the help that is made from the table. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct ck_command *const commands[] = {
	&ck_cmd_ls,	 &ck_cmd_show,	  &ck_cmd_cat,	  &ck_cmd_verify, &ck_cmd_set,
	&ck_cmd_mv,	 &ck_cmd_rm,	  &ck_cmd_cp,	  &ck_cmd_status, &ck_cmd_commit,
	&ck_cmd_discard, &ck_cmd_compact, &ck_cmd_umount, &ck_cmd_journal,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct {
	unsigned flag;
	const char *name;
	const char *value; /* what it is called, NULL for an option that has none */
	const char *help;
} options[] = {
	{ CK_CLI_ALL, "all", NULL, "values in full, however many they are" },
	{ CK_CLI_DTYPE, "dtype", "DTYPE", "the variable's dtype: float32, bfloat16, string..." },
	{ CK_CLI_FORCE, "force", NULL, "open a damaged checkpoint, for what can be read of it" },
	{ CK_CLI_FORMAT, "format", "FORMAT", "what a new checkpoint is to be: tensorflow" },
	{ CK_CLI_JSON, "json", NULL, "JSON, with the members that V.json has in a mount" },
	{ CK_CLI_LENGTHS, "lengths", "N,N...", "bytes of each string that FILE holds" },
	{ CK_CLI_PUBLISH, "publish", "HOW", "replace, inplace or auto (what costs less)" },
	{ CK_CLI_SHAPE, "shape", "N,N...", "the variable's shape; [] for a scalar" },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int main_help(void)
{
	printf("Usage: ckptctl COMMAND [OPTION...] SOURCE [NAME...]\n"
	       "\n"
	       "Looks into TensorFlow checkpoints, and edits them, without mounting them.\n"
	       "\n"
	       "Commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char usage[64];

		if (commands[i]->hidden)
			continue;
		snprintf(usage, sizeof(usage), "%s %s", commands[i]->name, commands[i]->operands);
		printf("  %-24s  %s\n", usage, commands[i]->summary);
	}
	printf("\n"
	       "SOURCE is a checkpoint's prefix (model.ckpt-100), its .index, .meta or any "
	       ".data-*\n"
	       "file, or a SavedModel's folder. NAME is a variable's name in the checkpoint, or a\n"
	       "pattern over whole names, in which * matches any text, / too.\n"
	       "\n"
	       "Options:\n"
	       "  -h, --help     this text; behind a command, that command's\n"
	       "  -V, --version  the version\n"
	       "\n"
	       "Exit status: 0 all is well, 1 usage, 2 there is no such source, 3 it is not a\n"
	       "checkpoint, 4 it is damaged, 5 it is of a kind that is not supported, 6 it cannot\n"
	       "be unmounted, 7 edits could not be published, 8 busy.\n");
	return 0;
}

static int command_help(const struct ck_command *c)
{
	printf("Usage: ckptctl %s%s %s\n\n%s\n\nOptions:\n", c->name,
	       c->options ? " [OPTION...]" : "", c->operands, c->help);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char usage[32];

		if (!(c->options & options[i].flag))
			continue;
		snprintf(usage, sizeof(usage), "--%s %s", options[i].name,
			 options[i].value ? options[i].value : "");
		printf("  %-16s  %s\n", usage, options[i].help);
	}
	printf("  %-16s  this text\n", "-h, --help");
	return 0;
}

/* Help and version go through stdio; a full disk is no success. */
static int printed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "ckptctl: standard output: cannot be written\n");
	return CK_USAGE;
}

/* Short options are named by getopt, since several can stand in one word. */
static int refuse_option(const struct ck_command *c, int o, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (o == ':') {
		fprintf(stderr, "ckptctl: %s: needs a value: see ckptctl %s --help\n", word,
			c->name);
		return CK_USAGE;
	}
	fprintf(stderr, "ckptctl: %s: not an option of %s: see ckptctl %s --help\n",
		optopt > ' ' && optopt < 0x7f ? letter : word, c->name, c->name);
	return CK_USAGE;
}

/* Runs the command on its own command line, argv[0] being its name. */
static int run_command(const struct ck_command *c, int argc, char **argv)
{
	struct option longs[N_OPTIONS + 2] = { { "help", no_argument, NULL, 'h' } };
	struct ck_args args = { .command = c->name };
	size_t n = 1;
	int o;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (c->options & options[i].flag)
			longs[n++] = (struct option){
				options[i].name,
				options[i].value ? required_argument : no_argument, NULL,
				256 + (int)options[i].flag
			};
	}
	opterr = 0;
	optind = 1;
	while ((o = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (o == 'h')
			return printed(command_help(c));
		if (o == '?' || o == ':')
			return refuse_option(c, o, argv[optind - 1]);
		args.options |= (unsigned)o - 256;
		args.values[__builtin_ctz((unsigned)o - 256)] = optarg;
	}
	args.nnames = argc - optind - 1;
	if (args.nnames < c->min_names || args.nnames > c->max_names) {
		fprintf(stderr, "ckptctl: %s operands: usage: ckptctl %s%s %s\n",
			args.nnames < c->min_names ? "missing" : "too many", c->name,
			c->options ? " [OPTION...]" : "", c->operands);
		return CK_USAGE;
	}
	args.source = argv[optind];
	args.names = argv + optind + 1;
	return c->run(&args);
}

int main(int argc, char **argv)
{
	const char *command;

	if (argc < 2) {
		fprintf(stderr, "ckptctl: no command given: see ckptctl --help\n");
		return CK_USAGE;
	}
	command = argv[1];
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
	    strcmp(command, "help") == 0)
		return printed(main_help());
	if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0) {
		printf("ckptctl " PACKAGE_VERSION "\n");
		return printed(0);
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i]->name, command) == 0)
			return run_command(commands[i], argc - 1, argv + 1);
	}
	fprintf(stderr, "ckptctl: %s: no such command: see ckptctl --help\n", command);
	return CK_USAGE;
}
