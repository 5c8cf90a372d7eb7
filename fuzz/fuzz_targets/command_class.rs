//! See `hubd_fuzz_bodies::command_class`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::command_class(data));
