//! Command classes, one file each.
