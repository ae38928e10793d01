# The programs. Every file of a room is listed here: tests/bats/lint.bats compares.

noinst_LIBRARIES += libckpt.a
libckpt_a_SOURCES = \
	%D%/base/err.c \
	%D%/base/err.h \
	%D%/base/log.c \
	%D%/base/log.h \
	%D%/base/mountinfo.c \
	%D%/base/mountinfo.h \
	%D%/base/progress.c \
	%D%/base/progress.h \
	%D%/core/ckpt.h \
	%D%/core/decimal.c \
	%D%/core/decimal.h \
	%D%/core/element.c \
	%D%/core/element.h \
	%D%/core/join.c \
	%D%/core/join.h \
	%D%/core/jsonobj.c \
	%D%/core/jsonobj.h \
	%D%/core/layout.c \
	%D%/core/layout.h \
	%D%/core/literal.c \
	%D%/core/literal.h \
	%D%/core/locate.c \
	%D%/core/meta.c \
	%D%/core/meta.h \
	%D%/core/missing.c \
	%D%/core/missing.h \
	%D%/core/names.c \
	%D%/core/names.h \
	%D%/core/number.c \
	%D%/core/number.h \
	%D%/core/open.c \
	%D%/core/pending.c \
	%D%/core/pending.h \
	%D%/core/read.c \
	%D%/core/read.h \
	%D%/core/show.c \
	%D%/core/show.h \
	%D%/core/sniff.c \
	%D%/core/sniff.h \
	%D%/core/statefile.c \
	%D%/core/statefile.h \
	%D%/core/strings.c \
	%D%/core/strings.h \
	%D%/core/survey.c \
	%D%/core/survey.h \
	%D%/core/tree.c \
	%D%/core/tree.h \
	%D%/core/tree_find.c \
	%D%/core/tree_list.c \
	%D%/core/tree_private.h \
	%D%/core/verify.c \
	%D%/format/proto.c \
	%D%/format/proto.h \
	%D%/format/table.c \
	%D%/format/table.h \
	%D%/format/table_write.c \
	%D%/format/table_write.h \
	%D%/format/tf_bundle.c \
	%D%/format/tf_bundle.h \
	%D%/format/tf_check.c \
	%D%/format/tf_check.h \
	%D%/format/tf_encode.c \
	%D%/format/tf_encode.h \
	%D%/format/tf_messages.c \
	%D%/format/tf_messages.h \
	%D%/format/tf_plan.c \
	%D%/format/tf_plan.h \
	%D%/format/tf_plan_private.h \
	%D%/format/tf_plan_put.c \
	%D%/format/tf_plan_slices.c \
	%D%/format/tf_plan_walk.c \
	%D%/format/tf_rewrite.c \
	%D%/format/tf_rewrite.h \
	%D%/format/tf_slicekey.c \
	%D%/format/tf_slicekey.h \
	%D%/format/tf_slices.c \
	%D%/format/tf_slices.h \
	%D%/io/source.c \
	%D%/io/source.h \
	%D%/io/vfs.c \
	%D%/io/vfs.h \
	%D%/io/vfs_posix.c \
	%D%/journal/aside.c \
	%D%/journal/dump.c \
	%D%/journal/identity.c \
	%D%/journal/identity.h \
	%D%/journal/journal.c \
	%D%/journal/journal.h \
	%D%/journal/pointer.c \
	%D%/journal/pointer.h \
	%D%/journal/private.h \
	%D%/journal/record.c \
	%D%/journal/record.h \
	%D%/journal/repair.c \
	%D%/journal/scan.c \
	%D%/model/builder.c \
	%D%/model/builder.h \
	%D%/model/dtype.c \
	%D%/model/dtype.h \
	%D%/model/model.c \
	%D%/model/model.h \
	%D%/saver/apply.c \
	%D%/saver/assemble.c \
	%D%/saver/attr.c \
	%D%/saver/compact.c \
	%D%/saver/content.c \
	%D%/saver/discard.c \
	%D%/saver/extmap.c \
	%D%/saver/extmap.h \
	%D%/saver/file.c \
	%D%/saver/list.c \
	%D%/saver/lock.c \
	%D%/saver/lookup.c \
	%D%/saver/name.c \
	%D%/saver/node.c \
	%D%/saver/ops.c \
	%D%/saver/place.c \
	%D%/saver/plan.c \
	%D%/saver/publish.c \
	%D%/saver/quarantine.c \
	%D%/saver/ranges.c \
	%D%/saver/rebase.c \
	%D%/saver/recover.c \
	%D%/saver/rename.c \
	%D%/saver/replay.c \
	%D%/saver/shard.c \
	%D%/saver/shardnames.c \
	%D%/saver/slices.c \
	%D%/saver/slog.c \
	%D%/saver/space.c \
	%D%/saver/space.h \
	%D%/saver/stage.c \
	%D%/saver/stage.h \
	%D%/saver/stage_private.h \
	%D%/saver/status.c \
	%D%/saver/varmeta.c \
	%D%/saver/varmeta.h \
	%D%/saver/varmeta_list.c \
	%D%/saver/varmeta_list.h \
	%D%/saver/varmeta_parse.c \
	%D%/saver/varmeta_text.c \
	%D%/saver/vjson.c \
	%D%/saver/walk.c \
	%D%/util/buf.c \
	%D%/util/buf.h \
	%D%/util/bytes.h \
	%D%/util/chunks.c \
	%D%/util/chunks.h \
	%D%/util/crc32c.c \
	%D%/util/crc32c.h \
	%D%/util/fnv.h \
	%D%/util/json.c \
	%D%/util/json.h \
	%D%/util/natural.c \
	%D%/util/natural.h \
	%D%/util/utf8.c \
	%D%/util/utf8.h \
	%D%/util/varint.c \
	%D%/util/varint.h
libckpt_a_CPPFLAGS = $(CKPT_CPPFLAGS) $(ISAL_CFLAGS) $(SNAPPY_CFLAGS) $(JANSSON_CFLAGS)

CKPT_LIBS = libckpt.a $(SNAPPY_LIBS) $(ISAL_LIBS) $(JANSSON_LIBS) $(SYS_LIBS)

bin_PROGRAMS += ckptctl
ckptctl_SOURCES = \
	%D%/cli/cli.c \
	%D%/cli/cli.h \
	%D%/cli/cmd_cat.c \
	%D%/cli/cmd_commit.c \
	%D%/cli/cmd_compact.c \
	%D%/cli/cmd_cp.c \
	%D%/cli/cmd_discard.c \
	%D%/cli/cmd_journal.c \
	%D%/cli/cmd_ls.c \
	%D%/cli/cmd_mv.c \
	%D%/cli/cmd_rm.c \
	%D%/cli/cmd_set.c \
	%D%/cli/cmd_show.c \
	%D%/cli/cmd_status.c \
	%D%/cli/cmd_umount.c \
	%D%/cli/cmd_verify.c \
	%D%/cli/editor.c \
	%D%/cli/editor.h \
	%D%/cli/editor_mount.c \
	%D%/cli/editor_open.c \
	%D%/cli/editor_private.h \
	%D%/cli/editor_stage.c \
	%D%/cli/main.c \
	%D%/cli/namelist.c \
	%D%/cli/namelist.h \
	%D%/cli/select.c \
	%D%/cli/select.h \
	%D%/cli/staged.c \
	%D%/cli/staged.h \
	%D%/cli/supply.c \
	%D%/cli/supply.h \
	%D%/cli/through.c \
	%D%/cli/through.h \
	%D%/cli/through_tree.c
ckptctl_CPPFLAGS = $(CKPT_CPPFLAGS) $(JANSSON_CFLAGS)
ckptctl_LDADD = $(CKPT_LIBS)

if WITH_FUSE
bin_PROGRAMS += ckptfuse
endif
ckptfuse_SOURCES = \
	%D%/fuse/daemon.c \
	%D%/fuse/daemon.h \
	%D%/fuse/dir.c \
	%D%/fuse/entry.c \
	%D%/fuse/file.c \
	%D%/fuse/fuse.h \
	%D%/fuse/handle.c \
	%D%/fuse/handle.h \
	%D%/fuse/help.c \
	%D%/fuse/ino.h \
	%D%/fuse/listing.c \
	%D%/fuse/listing.h \
	%D%/fuse/main.c \
	%D%/fuse/mount.h \
	%D%/fuse/mountpoint.c \
	%D%/fuse/mountpoint.h \
	%D%/fuse/node.c \
	%D%/fuse/node.h \
	%D%/fuse/ops.c \
	%D%/fuse/ops.h \
	%D%/fuse/options.c \
	%D%/fuse/options.h \
	%D%/fuse/path.c \
	%D%/fuse/path.h \
	%D%/fuse/publisher.c \
	%D%/fuse/publisher.h \
	%D%/fuse/readahead.c \
	%D%/fuse/readahead.h \
	%D%/fuse/reload.c \
	%D%/fuse/reload.h \
	%D%/fuse/reply.c \
	%D%/fuse/reply.h \
	%D%/fuse/rofs.c \
	%D%/fuse/rw.c \
	%D%/fuse/rw.h \
	%D%/fuse/rw_dir.c \
	%D%/fuse/rw_discard.c \
	%D%/fuse/rw_entry.c \
	%D%/fuse/rw_file.c \
	%D%/fuse/rw_mount.c \
	%D%/fuse/rw_mount.h \
	%D%/fuse/rw_name.c \
	%D%/fuse/rw_open.c \
	%D%/fuse/rw_open.h \
	%D%/fuse/rw_range.c \
	%D%/fuse/rw_special.c \
	%D%/fuse/rw_special.h \
	%D%/fuse/rw_xattr.c \
	%D%/fuse/session.c \
	%D%/fuse/session.h \
	%D%/fuse/signals.c \
	%D%/fuse/signals.h \
	%D%/fuse/slot.c \
	%D%/fuse/slot.h \
	%D%/fuse/special.c \
	%D%/fuse/special.h \
	%D%/fuse/status.c \
	%D%/fuse/status.h \
	%D%/fuse/xattr.c
ckptfuse_CPPFLAGS = $(CKPT_CPPFLAGS) $(FUSE_CFLAGS)
ckptfuse_LDADD = $(CKPT_LIBS) $(FUSE_LIBS)

# mount(8) looks for mount.TYPE, fuse's own helper for the name after "fuse.".
if WITH_FUSE
install-exec-hook:
	$(MKDIR_P) "$(DESTDIR)$(sbindir)"
	cd "$(DESTDIR)$(sbindir)" && rm -f mount.ckptfuse mount.fuse.ckptfuse && \
	$(LN_S) "$(bindir)/`echo ckptfuse | $(SED) '$(transform)'`" mount.ckptfuse && \
	$(LN_S) mount.ckptfuse mount.fuse.ckptfuse

uninstall-hook:
	rm -f "$(DESTDIR)$(sbindir)/mount.ckptfuse" "$(DESTDIR)$(sbindir)/mount.fuse.ckptfuse"
endif
