//! Columns of a table: the least important leave first when there is no room, and what is left
//! over goes to those that can use it.

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec<K> {
    /// What it shows.
    pub key: K,
    /// Its header.
    pub title: &'static str,
    /// Its columns.
    pub width: u16,
    /// Whether it stands at the right edge.
    pub right: bool,
    /// 0 leaves last.
    pub priority: u8,
    /// The most it can grow by.
    pub grows: u16,
}

/// A column with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<K> {
    /// The column.
    pub spec: Spec<K>,
    /// From the left edge of the row.
    pub x: u16,
    /// Its columns.
    pub width: u16,
}

/// Space between two columns.
const GAP: u16 = 2;

/// Places columns into so much width, the first column's cursor included.
pub fn place<K: Copy>(specs: &[Spec<K>], width: u16) -> Vec<Placed<K>> {
    let mut kept: Vec<Spec<K>> = specs.to_vec();
    let total = |kept: &[Spec<K>]| {
        let gaps = GAP.saturating_mul(u16::try_from(kept.len().saturating_sub(1)).unwrap_or(u16::MAX));
        kept.iter().fold(gaps, |sum, spec| sum.saturating_add(spec.width))
    };
    while total(&kept) > width && kept.len() > 1 {
        let worst = kept.iter().enumerate().max_by_key(|(_, spec)| spec.priority).map(|(i, _)| i);
        if let Some(worst) = worst {
            kept.remove(worst);
        }
    }
    let mut left = width.saturating_sub(total(&kept));
    let mut x = 0_u16;
    kept.into_iter()
        .map(|spec| {
            let extra = left.min(spec.grows);
            left = left.saturating_sub(extra);
            let placed = Placed { spec, x, width: spec.width.saturating_add(extra) };
            x = x.saturating_add(placed.width).saturating_add(GAP);
            placed
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(key: char, width: u16, priority: u8, grows: u16) -> Spec<char> {
        Spec { key, title: "", width, right: false, priority, grows }
    }

    #[test]
    fn the_least_important_leave_and_the_rest_keeps_its_order() {
        let specs = [spec('a', 5, 0, 0), spec('b', 5, 9, 0), spec('c', 5, 1, 10)];
        let keys = |width| place(&specs, width).iter().map(|placed| placed.spec.key).collect::<String>();
        assert_eq!(keys(19), "abc");
        assert_eq!(keys(18), "ac");
        assert_eq!(keys(5), "a");
        let placed = place(&specs, 18);
        assert_eq!(placed[1].width, 11);
    }
}
