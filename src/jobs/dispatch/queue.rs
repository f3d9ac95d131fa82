//! Jobs that wait for a worker.

use std::collections::VecDeque;
use std::sync::Arc;

/// All waiting jobs together, with everything they hold, bytes.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// Ids of the waiting jobs, oldest first, each with the bytes it holds.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ids: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
}

impl Queue {
    /// True if there is room for a job that holds this many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= QUEUE_MAX
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn push(&mut self, id: Arc<str>, bytes: usize) {
        self.bytes += bytes;
        self.ids.push_back((id, bytes));
    }

    /// Takes the oldest job out.
    pub(super) fn pop(&mut self) -> Option<Arc<str>> {
        let (id, bytes) = self.ids.pop_front()?;
        self.bytes -= bytes;
        Some(id)
    }

    pub(super) fn remove(&mut self, id: &Arc<str>) {
        let at = self.ids.iter().position(|(queued, _)| queued == id);
        if let Some((_, bytes)) = at.and_then(|at| self.ids.remove(at)) {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_waiting_jobs_leave() {
        let mut queue = Queue::default();
        queue.push("a".into(), QUEUE_MAX - 10);
        queue.push("b".into(), 6);
        queue.push("c".into(), 4);
        assert!(queue.has_room(0) && !queue.has_room(1));
        queue.remove(&"b".into());
        queue.remove(&"b".into());
        assert!(queue.has_room(6) && !queue.has_room(7));
        assert_eq!(queue.pop().as_deref(), Some("a"));
        assert_eq!(queue.pop().as_deref(), Some("c"));
        assert_eq!(queue.pop(), None);
        assert!(queue.has_room(QUEUE_MAX) && !queue.has_room(QUEUE_MAX + 1));
    }
}
