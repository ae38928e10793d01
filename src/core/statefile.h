/*
 * statefile.h - the file "checkpoint" in a model folder, which names the latest checkpoint.
 *
 * A CheckpointState message in protocol buffers' text format
 * (tensorflow/python/training/checkpoint_state.proto):
 *
 *   model_checkpoint_path: "model.ckpt-100"
 *   all_model_checkpoint_paths: "model.ckpt-0"
 *   all_model_checkpoint_paths: "model.ckpt-100"
 *
 * Paths are prefixes, absolute or relative to the folder. Absolute ones dangle once a folder has
 * been moved.
 */
#ifndef CK_CORE_STATEFILE_H
#define CK_CORE_STATEFILE_H

#include "base/err.h"

#define CK_STATEFILE_MAX (1024 * 1024) /* bytes; thousands of paths take less */

/* The path that the state file at `path` names first, as it is written there. -ENOENT where there
 * is no such file, -EBADMSG where it is not a state file or names none. */
int ck_statefile_latest(const char *path, char **ret, struct ck_err *err);

#endif
