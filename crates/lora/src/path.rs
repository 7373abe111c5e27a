//! Parameter paths such as `blocks.10.attention.query.weight`: their order and their block.

use std::cmp::Ordering;

/// Order paths component by component, numbers by value: `blocks.2` before `blocks.10`.
pub(crate) fn natural_order(left: &str, right: &str) -> Ordering {
    let component = |l: &str, r: &str| match (l.parse::<u64>(), r.parse::<u64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => l.cmp(r),
    };
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        match (left.next(), right.next()) {
            (Some(l), Some(r)) => match component(l, r) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
        }
    }
}

/// The path up to and including its first number (`blocks.10`); without one, all but the last component.
pub(crate) fn block(path: &str) -> &str {
    let mut end = 0;
    for component in path.split('.') {
        end += component.len();
        if component.parse::<u64>().is_ok() {
            return &path[..end];
        }
        end += 1;
    }
    path.rsplit_once('.').map_or(path, |(module, _)| module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value_and_prefixes_first() {
        let mut paths = [
            "blocks.10.q",
            "head",
            "blocks.2.v",
            "blocks.2.q",
            "blocks.2",
        ];
        paths.sort_by(|l, r| natural_order(l, r));
        assert_eq!(
            paths,
            [
                "blocks.2",
                "blocks.2.q",
                "blocks.2.v",
                "blocks.10.q",
                "head"
            ]
        );
    }

    #[test]
    fn a_block_ends_at_its_number() {
        assert_eq!(
            block("model.blocks.10.attention.q.weight"),
            "model.blocks.10"
        );
        assert_eq!(block("head.weight"), "head");
        assert_eq!(block("weight"), "weight");
    }
}
