//! Whether a table, or memory, keeps the limits of a device.

use super::{
    DmaLimits, Field, PhysicalRun, Place, SgSegment, SgTable, Storage, Translation, Value, Violation, Window,
    Windows,
};

impl DmaLimits {
    /// Checks that a table keeps these limits and covers a buffer of `size_bytes`: the framework does, whatever made it.
    ///
    /// # Errors
    /// [`Violation`]: the first limit broken, with the number of the segment.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::dma::{DmaLimits, Field, Place, SgSegment, SgTable};
    ///
    /// let limits = DmaLimits::kernel_default();
    /// let table = SgTable::new([
    ///     SgSegment { address: 0x1_0000, length_bytes: 0x1_0000 },
    ///     SgSegment { address: 0x8_0000, length_bytes: 0x2_0000 },
    /// ]);
    /// let violation = limits.check_table(&table, 0x3_0000).unwrap_err();
    /// assert_eq!((violation.field, violation.place), (Field::MaxSegmentBytes, Place::Segment(1)));
    /// ```
    ///
    /// # References
    /// drivers/dma-buf/dma-buf.c `dma_buf_map_attachment` (its debug check of page alignment). Contracts: A4, B5.
    pub fn check_table(&self, table: &SgTable, size_bytes: u64) -> Result<(), Violation> {
        self.check_segments(table.segments().iter().copied())?;
        check_size(table.total_bytes(), size_bytes)
    }

    /// Checks whether the device could map memory as it is; it is never copied elsewhere for that.
    ///
    /// Memory behind an IOMMU is taken to be placed well: at multiples of the boundary, and not where other mappings are. An
    /// IOMMU whose addresses are used up may still refuse it.
    ///
    /// # Errors
    /// [`Violation`]: the first limit broken, with the number of the run or, for direct addressing, of the segment that
    /// the runs would become.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::dma::{DmaLimits, Field, PhysicalRun, Storage};
    ///
    /// let scattered = Storage::new([
    ///     PhysicalRun { address: 0x1000, length_bytes: 0x1000 },
    ///     PhysicalRun { address: 0x8000, length_bytes: 0x1000 },
    /// ])?;
    /// let display = DmaLimits::builder().contiguous().build()?;
    /// assert_eq!(display.check_storage(&scattered).unwrap_err().field, Field::Contiguous);
    /// let encoder = DmaLimits::builder().max_segments(2).build()?;
    /// assert!(encoder.check_storage(&scattered).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_storage(&self, storage: &Storage) -> Result<(), Violation> {
        match self.translation_or_physical() {
            Translation::Direct { offset_bytes } => self.check_direct(storage, offset_bytes),
            Translation::Iommu {
                page_bytes, coalesce, ..
            } => self.check_mapped(storage, page_bytes, coalesce),
        }
    }

    fn check_direct(&self, storage: &Storage, offset_bytes: i64) -> Result<(), Violation> {
        for (number, run) in storage.runs().iter().enumerate() {
            if translated(*run, offset_bytes).is_none() {
                let (have, need) = (
                    run_window(*run),
                    self.physical_windows().unwrap_or_else(Windows::all),
                );
                let place = Place::Run(number);
                return Err(Violation::new(Field::Windows, have, Value::Windows(need), place));
            }
        }
        self.check_segments(self.split(storage, offset_bytes))
    }

    /// The table of memory that the device addresses directly. Runs that leave the 64-bit addresses are left out.
    pub(super) fn split(&self, storage: &Storage, offset_bytes: i64) -> impl Iterator<Item = SgSegment> {
        let runs = storage.runs().iter();
        runs.filter_map(move |run| translated(*run, offset_bytes))
            .flat_map(|run| self.segments_of(run))
    }

    fn check_mapped(&self, storage: &Storage, page_bytes: u64, coalesce: bool) -> Result<(), Violation> {
        let granule = if coalesce {
            page_bytes
        } else {
            page_bytes.max(self.length_granule())
        };
        for (number, run) in storage.runs().iter().enumerate() {
            let place = Place::Run(number);
            if !run.address.is_multiple_of(page_bytes) || !run.length_bytes.is_multiple_of(page_bytes) {
                let (have, need) = (run_window(*run), Value::Bytes(page_bytes));
                return Err(Violation::new(Field::PageGranule, have, need, place));
            }
            if !run.length_bytes.is_multiple_of(granule) {
                let (have, need) = (Value::Bytes(run.length_bytes), Value::Bytes(granule));
                return Err(Violation::new(Field::LengthGranule, have, need, place));
            }
        }
        let size_bytes = storage.size_bytes();
        self.check_unit(size_bytes)?;
        self.check_room(size_bytes)?;
        let mut pieces = 0_u64;
        if coalesce {
            pieces = self.check_divisible(size_bytes, Place::Whole)?;
        } else {
            for (number, run) in storage.runs().iter().enumerate() {
                let of_run = self.check_divisible(run.length_bytes, Place::Run(number))?;
                pieces = pieces.saturating_add(of_run);
            }
        }
        self.check_count(pieces)
    }

    /// Checks that consecutive addresses of this length can be cut into segments, and returns into how many.
    pub(super) fn check_divisible(&self, length_bytes: u64, place: Place) -> Result<u64, Violation> {
        let pieces = self.pieces(length_bytes);
        if pieces < u64::MAX {
            return Ok(pieces);
        }
        let longest = self.longest_segment();
        let by_length = self
            .max_segment_bytes()
            .is_some_and(|most| u128::from(most) <= self.block_bytes());
        let field = if by_length {
            Field::MaxSegmentBytes
        } else {
            Field::BoundaryMask
        };
        Err(Violation::new(
            field,
            Value::Bytes(length_bytes),
            Value::Bytes(longest),
            place,
        ))
    }

    /// Checks that a buffer of `size_bytes` divides into units of length.
    pub(super) fn check_unit(&self, size_bytes: u64) -> Result<(), Violation> {
        if size_bytes.is_multiple_of(self.length_granule()) {
            return Ok(());
        }
        let (have, need) = (Value::Bytes(size_bytes), Value::Bytes(self.length_granule()));
        Err(Violation::new(Field::LengthGranule, have, need, Place::Whole))
    }

    /// Checks that the addresses of an IOMMU are enough for `size_bytes`.
    pub(super) fn check_room(&self, size_bytes: u64) -> Result<(), Violation> {
        let reach = self.reach();
        let align = self.segment_align().max(self.page_granule());
        let room: u128 = reach.rooms(align, self.length_granule()).sum();
        if room >= u128::from(size_bytes) {
            return Ok(());
        }
        let (have, need) = (Value::Bytes(size_bytes), Value::Windows(reach));
        Err(Violation::new(Field::Windows, have, need, Place::Whole))
    }

    /// Checks a number of segments.
    pub(super) fn check_count(&self, segments: u64) -> Result<(), Violation> {
        match self.segment_count() {
            Some((field, most)) if segments > most => {
                let (have, need) = (Value::Segments(segments), Value::Segments(most));
                Err(Violation::new(field, have, need, Place::Whole))
            }
            _ => Ok(()),
        }
    }

    /// Checks all that does not depend on the size of the buffer.
    fn check_segments(&self, segments: impl Iterator<Item = SgSegment>) -> Result<(), Violation> {
        let reach = self.reach();
        let mut count: u64 = 0;
        for (number, segment) in segments.enumerate() {
            self.check_segment(&reach, number, segment)?;
            count += 1;
        }
        self.check_count(count)
    }

    fn check_segment(&self, reach: &Windows, number: usize, segment: SgSegment) -> Result<(), Violation> {
        let SgSegment {
            address,
            length_bytes,
        } = segment;
        let broken = |field, have, need| Err(Violation::new(field, have, need, Place::Segment(number)));
        let granule = self.length_granule();
        if length_bytes == 0 || !length_bytes.is_multiple_of(granule) {
            return broken(
                Field::LengthGranule,
                Value::Bytes(length_bytes),
                Value::Bytes(granule),
            );
        }
        let last = address.saturating_add(length_bytes - 1);
        let covered = Value::Windows([address..=last].into_iter().collect());
        if !reach.contains(address, length_bytes) {
            return broken(Field::Windows, covered, Value::Windows(reach.clone()));
        }
        let (field, align) = match number {
            0 if self.base_align() > self.segment_align() => (Field::BaseAlign, self.base_align()),
            _ => (Field::SegmentAlign, self.segment_align()),
        };
        if !address.is_multiple_of(align) {
            return broken(field, Value::Address(address), Value::Bytes(align));
        }
        let longest = self.max_segment_bytes().unwrap_or(u64::MAX);
        if length_bytes > longest {
            return broken(
                Field::MaxSegmentBytes,
                Value::Bytes(length_bytes),
                Value::Bytes(longest),
            );
        }
        let mask = self.boundary_mask().unwrap_or(u64::MAX);
        if (address ^ last) & !mask != 0 {
            return broken(Field::BoundaryMask, covered, Value::Mask(mask));
        }
        Ok(())
    }
}

fn check_size(have_bytes: u64, size_bytes: u64) -> Result<(), Violation> {
    if have_bytes == size_bytes {
        return Ok(());
    }
    let (have, need) = (Value::Bytes(have_bytes), Value::Bytes(size_bytes));
    Err(Violation::new(Field::Size, have, need, Place::Whole))
}

/// A run as the device sees it; `None` if it leaves the 64-bit addresses.
fn translated(run: PhysicalRun, offset_bytes: i64) -> Option<SgSegment> {
    let address = run.address.checked_add_signed(offset_bytes)?;
    address.checked_add(run.length_bytes - 1)?;
    Some(SgSegment {
        address,
        length_bytes: run.length_bytes,
    })
}

fn run_window(run: PhysicalRun) -> Value {
    let Window { first, last } = run.window();
    Value::Windows([first..=last].into_iter().collect())
}
