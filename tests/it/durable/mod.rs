//! Logs and cells on a disk that fails and forgets: every power cut at every call with every outcome,
//! every call failing, and both by chance. `SOCKETMAN_TESTS_LONG=1` tries a million by chance.

mod cell_model;
mod cells;
mod damage;
mod log_content;
mod log_crashes;
mod log_faults;
mod log_model;
mod logs_on_a_thread;
