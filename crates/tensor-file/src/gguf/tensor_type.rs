//! The number formats of tensors.

/// A number format that is read: plain numbers, or blocks of quantised ones with their scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum GgufType {
    /// 4 bytes a number.
    F32,
    /// 2 bytes a number, 5 bits of exponent.
    F16,
    /// 2 bytes a number, 8 bits of exponent.
    BF16,
    /// 4 bits, a scale for 32.
    Q4_0,
    /// 4 bits, a scale and a least value for 32.
    Q4_1,
    /// 5 bits, a scale for 32.
    Q5_0,
    /// 5 bits, a scale and a least value for 32.
    Q5_1,
    /// 8 bits, a scale for 32.
    Q8_0,
    /// 4 bits, a scale and a least value of 6 bits each for 32 of 256.
    Q4_K,
    /// 5 bits, a scale and a least value of 6 bits each for 32 of 256.
    Q5_K,
    /// 6 bits, a scale of 8 bits for 16 of 256.
    Q6_K,
}

/// Type, its number in the file, numbers in a block, bytes of a block.
const READ: [(GgufType, u32, usize, usize); 11] = [
    (GgufType::F32, 0, 1, 4),
    (GgufType::F16, 1, 1, 2),
    (GgufType::Q4_0, 2, 32, 18),
    (GgufType::Q4_1, 3, 32, 20),
    (GgufType::Q5_0, 6, 32, 22),
    (GgufType::Q5_1, 7, 32, 24),
    (GgufType::Q8_0, 8, 32, 34),
    (GgufType::Q4_K, 12, 256, 144),
    (GgufType::Q5_K, 13, 256, 176),
    (GgufType::Q6_K, 14, 256, 210),
    (GgufType::BF16, 30, 1, 2),
];

/// Types that are not read, for messages.
const OTHERS: [(u32, &str); 23] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

impl GgufType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = {
        let mut all = [Self::F32; 11];
        let mut index = 0;
        while index < all.len() {
            all[index] = READ[index].0;
            index += 1;
        }
        all
    };

    /// The type with a number in the file.
    ///
    /// # Errors
    /// Its name, with those that are read.
    pub(super) fn of(number: u32) -> Result<Self, String> {
        if let Some((kind, ..)) = READ.iter().find(|(_, known, ..)| *known == number) {
            return Ok(*kind);
        }
        let other = OTHERS.iter().find(|(known, _)| *known == number);
        let found = other.map_or_else(|| format!("type {number}"), |(_, name)| (*name).to_owned());
        let read = Self::ALL.map(|kind| format!("{kind:?}")).join(", ");
        Err(format!("is {found}, read are {read}"))
    }

    /// Numbers in a block.
    pub fn block(self) -> usize {
        self.row().2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    fn row(self) -> (Self, u32, usize, usize) {
        let row = READ.into_iter().find(|(kind, ..)| *kind == self);
        row.unwrap_or(READ[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_row_and_others_are_named() {
        for kind in GgufType::ALL {
            assert_eq!(kind.row().0, kind);
            assert_eq!(GgufType::of(kind.row().1), Ok(kind));
        }
        for (number, name) in OTHERS.into_iter().chain([(99, "type 99")]) {
            let refusal = GgufType::of(number);
            assert!(refusal.is_err_and(|refusal| refusal.starts_with(&format!("is {name}, read"))));
        }
    }
}
