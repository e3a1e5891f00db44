//! `std::sort` of libstdc++: introsort, whose order of equal elements is fixed by its steps alone.
//!
//! Quicksort on the median of the second, the middle and the last element, down to runs of 16; heapsort where the recursion is deeper
//! than 2·⌊log₂ n⌋; one insertion sort over all at the end. `less` must be a strict weak order, or the scans would leave the slice and
//! panic: callers compare integers and floats without NaN.

/// Runs up to this length are left to the insertion sort.
const RUN: usize = 16;

/// Sorts by `less`; equal elements end up where libstdc++ puts them. O(n log n).
pub(crate) fn sort_by<T: Copy>(elements: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    if elements.len() < 2 {
        return;
    }
    quicksort(elements, 2 * elements.len().ilog2(), less);
    let sorted_with_care = elements.len().min(RUN);
    for index in 1..sorted_with_care {
        if less(&elements[index], &elements[0]) {
            elements[..=index].rotate_right(1);
        } else {
            sink(elements, index, less);
        }
    }
    for index in sorted_with_care..elements.len() {
        sink(elements, index, less);
    }
}

/// Moves the element at `index` to the left, past all that it is less than.
fn sink<T: Copy>(elements: &mut [T], mut index: usize, less: &impl Fn(&T, &T) -> bool) {
    let value = elements[index];
    while less(&value, &elements[index - 1]) {
        elements[index] = elements[index - 1];
        index -= 1;
    }
    elements[index] = value;
}

fn quicksort<T: Copy>(mut elements: &mut [T], mut depth: u32, less: &impl Fn(&T, &T) -> bool) {
    while elements.len() > RUN {
        if depth == 0 {
            heapsort(elements, less);
            return;
        }
        depth -= 1;
        let cut = partition(elements, less);
        let (left, right) = elements.split_at_mut(cut);
        quicksort(right, depth, less);
        elements = left;
    }
}

/// Brings the median of three to the front and parts the others by it; returns where the right part starts.
fn partition<T: Copy>(elements: &mut [T], less: &impl Fn(&T, &T) -> bool) -> usize {
    let (low, middle, high) = (1, elements.len() / 2, elements.len() - 1);
    let median = if less(&elements[low], &elements[middle]) {
        if less(&elements[middle], &elements[high]) {
            middle
        } else if less(&elements[low], &elements[high]) {
            high
        } else {
            low
        }
    } else if less(&elements[low], &elements[high]) {
        low
    } else if less(&elements[middle], &elements[high]) {
        high
    } else {
        middle
    };
    elements.swap(0, median);
    let pivot = elements[0];
    let (mut left, mut right) = (1, elements.len());
    loop {
        while less(&elements[left], &pivot) {
            left += 1;
        }
        right -= 1;
        while less(&pivot, &elements[right]) {
            right -= 1;
        }
        if left >= right {
            return left;
        }
        elements.swap(left, right);
        left += 1;
    }
}

fn heapsort<T: Copy>(elements: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    for parent in (0..elements.len() / 2).rev() {
        let value = elements[parent];
        sift(elements, parent, value, less);
    }
    for end in (1..elements.len()).rev() {
        let value = elements[end];
        elements[end] = elements[0];
        sift(&mut elements[..end], 0, value, less);
    }
}

/// Lets the hole at `hole` fall to a leaf along the greater children, then lets `value` rise from there.
fn sift<T: Copy>(heap: &mut [T], mut hole: usize, value: T, less: &impl Fn(&T, &T) -> bool) {
    let top = hole;
    while 2 * hole + 2 < heap.len() {
        let right = 2 * hole + 2;
        let child = if less(&heap[right], &heap[right - 1]) { right - 1 } else { right };
        heap[hole] = heap[child];
        hole = child;
    }
    if 2 * hole + 2 == heap.len() {
        heap[hole] = heap[2 * hole + 1];
        hole = 2 * hole + 1;
    }
    while hole > top {
        let parent = (hole - 1) / 2;
        if !less(&heap[parent], &value) {
            break;
        }
        heap[hole] = heap[parent];
        hole = parent;
    }
    heap[hole] = value;
}
