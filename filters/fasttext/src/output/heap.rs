//! The best labels so far. Labels with equal scores come in the order in which the C++ standard library's heap functions
//! leave them, so the heap sifts as libstdc++ does: down to the bottom along the smaller children, then up.

/// A label with its score, the logarithm of its probability.
pub(crate) type Scored = (f32, u32);

/// Adds an element to a heap whose smallest score is in front.
pub(super) fn push(heap: &mut Vec<Scored>, element: Scored) {
    heap.push(element);
    let hole = heap.len() - 1;
    sift_up(heap, hole, element);
}

/// Drops the smallest score.
pub(super) fn drop_smallest(heap: &mut Vec<Scored>) {
    let end = heap.len();
    move_smallest_back(heap, end);
    heap.pop();
}

/// Turns the heap into a list from the largest to the smallest score.
pub(super) fn sort(heap: &mut [Scored]) {
    for end in (2..=heap.len()).rev() {
        move_smallest_back(heap, end);
    }
}

/// Moves the front of `heap[..end]` to its end, and makes a heap of the rest.
fn move_smallest_back(heap: &mut [Scored], end: usize) {
    if end < 2 {
        return;
    }
    let last = end - 1;
    let displaced = heap[last];
    heap[last] = heap[0];
    let rest = &mut heap[..last];
    let mut hole = 0;
    loop {
        let right = 2 * hole + 2;
        let child = match right.cmp(&last) {
            // Of equal children the right one moves up.
            std::cmp::Ordering::Less if rest[right].0 > rest[right - 1].0 => right - 1,
            std::cmp::Ordering::Less => right,
            std::cmp::Ordering::Equal => right - 1,
            std::cmp::Ordering::Greater => break,
        };
        rest[hole] = rest[child];
        hole = child;
    }
    sift_up(rest, hole, displaced);
}

fn sift_up(heap: &mut [Scored], mut hole: usize, element: Scored) {
    while hole > 0 {
        let parent = (hole - 1) / 2;
        if heap[parent].0 <= element.0 {
            break;
        }
        heap[hole] = heap[parent];
        hole = parent;
    }
    heap[hole] = element;
}
