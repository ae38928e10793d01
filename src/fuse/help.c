/* help.c - what ckptfuse says about itself: --help and --version (options.h). */
#include "fuse/options.h"

#include "fuse/fuse.h"

#include <stdio.h>

void ck_options_print_help(void)
{
	fputs("usage: ckptfuse [options] SOURCE [MOUNTPOINT]\n"
	      "Mounts a checkpoint as a folder in which every variable is a file: read-only, or\n"
	      "with -o rw to be edited.\n"
	      "\n"
	      "SOURCE is a TensorFlow checkpoint's prefix (model.ckpt-100), its .index, .data-*\n"
	      "or .meta file, a SavedModel folder or its saved_model.pb. If MOUNTPOINT is left\n"
	      "out, NAME.mnt is made in the current folder and removed at unmount, NAME being\n"
	      "the last component of SOURCE.\n"
	      "\n"
	      "    -f                     stay in the foreground, messages on stderr\n"
	      "    -d                     the same, and print each request\n"
	      "    -s                     one thread\n"
	      "    -h, --help             this text\n"
	      "    -V, --version          versions of ckptfuse and libfuse, and the formats\n"
	      "    -o OPTION[,OPTION...]  options, see below\n"
	      "\n"
	      "What is shown:\n"
	      "    sep=CHAR               split names at CHAR instead of /\n"
	      "    raw_names              keep /.ATTRIBUTES/VARIABLE_VALUE in paths\n"
	      "    subdir=PATH            only this folder of the tree\n"
	      "    verify=none|open       open: check a variable's checksum when it is first opened\n"
	      "    force                  a damaged checkpoint: mount what is readable\n"
	      "    uid=N gid=N umask=N    owner of all files, and permissions to take away (octal)\n"
	      "\n"
	      "Editing:\n"
	      "    rw, writable           edits are staged, and published together: by sync\n"
	      "                           MOUNTPOINT, a write to .ckptfuse/commit, or unmount\n"
	      "    commit=manual          unmount and signals do not publish\n"
	      "    commit=N               publish every N seconds as well\n"
	      "    save=PREFIX            publish into a new checkpoint, leave SOURCE as it is\n"
	      "    create=tensorflow      there is no checkpoint yet: make one at SOURCE\n"
	      "    journal=PATH           keep the journal there, not beside the checkpoint\n"
	      "    publish=replace|inplace|auto\n"
	      "                           overwrite nothing that a reader can see, or the changed\n"
	      "                           bytes alone; auto: the cheaper one\n"
	      "\n"
	      "The mount:\n"
	      "    allow_other            let other users in\n"
	      "    default_permissions    let the kernel check permissions\n"
	      "    auto_unmount           unmount if the program dies\n"
	      "    fsname=NAME            name in the mount table (default: the source's path)\n"
	      "    entry_timeout=S        seconds that the kernel may remember names ...\n"
	      "    attr_timeout=S         ... and attributes (default: 86400; not with rw)\n"
	      "    max_threads=N          at most N threads\n"
	      "    clone_fd               a device handle for each thread\n"
	      "    notify_pipe=PATH       write s to this pipe once mounted, or f on failure\n"
	      "\n"
	      "Unmount with umount, fusermount3 -u, or a SIGTERM to the program; ckptctl umount\n"
	      "also waits, and says whether edits were published. SIGHUP makes it look at the\n"
	      "source again.\n",
	      stdout);
}

void ck_options_print_version(void)
{
	printf("ckptfuse " PACKAGE_VERSION "\nlibfuse %s\nformats: tensorflow\n", fuse_pkgversion());
}
