//! See `hubd_fuzz_bodies::serial_command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::serial_command(data));
