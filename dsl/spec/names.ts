/** The limits of task names, in characters; they come from the columns that hold them (spec/dsl.md D-4.3). */
export const MAX_TASK_NAME = 255;
export const MAX_JOIN_NAME = 208;
