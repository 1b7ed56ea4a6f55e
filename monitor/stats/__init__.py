"""Statistics of a week: arrays in, frozen values out, over the last axis, for one week or thousands at once."""
