//! New names: words and pairs of words, some of each held out for the test sets.

use recode::seed::{Stream, stream};

/// Words that occur in no function name, parameter or sentence of the world.
const WORDS: &str = "\
acorn adobe agate alder alloy almond amber anchor antler apron arbor arch argon ash attic auburn
badger bagel balsa banner barley basalt beaver beech bell bison blossom bobbin bonnet border boulder
bowl bramble branch breeze bronze bucket buckle burrow butter button canyon caramel carbon carpet
cave celery cello cement chestnut chimney cinnamon citrus clay cliff clock cloud clove cocoa coin
collar ginkgo compass copper coral cork cotton cradle crane crate cricket crow cubit curlew curtain
cypress dahlia dapple dawn delta dew dolphin donkey dove dune dusk easel elder elm emerald ermine
fawn feather fennel fig finch fjord flannel flax flint flute foam forge fountain fox frost galley
gander gannet garlic gazelle geyser gibbon gingham glade goose gorse gourd granite grape grotto grouse
gull hamlet hawk hazel heath hedge helm heron hickory hinge hollow honey hoof hornet husk ibex inlet
iris island ivory jacket jasmine jasper jigsaw juniper kelp kernel kettle kiln kiosk knoll lace ladle
lagoon lantern larch lark latch lava leather lemon lichen lilac linen lobster locket lodge loom lotus
lynx magnet maple marble marsh meadow melon mill mint moat mole moose mortar moss mulberry mustard
nectar needle nest nettle nickel nutmeg oak oasis oat olive onyx opal orchard otter owl oyster paddle
palm panther parsley pasture peach pearl pebble pelican pepper pewter pigeon pine pivot plank plaza
plum pollen poplar poppy porch prairie prism puffin quail quarry quartz quill rabbit radish raft raisin
raven reed ribbon ridge river robin rope rosemary ruby rudder rye saddle saffron sage salmon sandal
sapling satin seal sedge shale shovel silk silver slate sleet snail sorrel sparrow spindle spruce squid
steeple stork straw sugar summit swallow swan sycamore tannin tapir teal thicket thistle thorn thunder
tiger timber topaz torch trellis trout tulip tundra turnip turtle umber valley velvet vine violet viper
walnut walrus warbler wharf wheat whistle willow window wolf wren yarrow zephyr zinc";

/// One word in this many is held out for the test sets; see [`HELD_PAIRS`] for pairs.
const HELD_SHARE: usize = 8;
/// One pair in this many is held out for the test sets.
const HELD_PAIRS: u64 = 5;

/// The words of a world, split into training words and held-out words.
#[derive(Debug)]
pub(super) struct Names {
    /// Words that notes of the training data use.
    trained: Vec<&'static str>,
    /// Words that only notes of the test sets use.
    held: Vec<&'static str>,
    seed: u64,
}

impl Names {
    pub(super) fn new(seed: u64) -> Self {
        let mut trained: Vec<_> = WORDS.split_whitespace().collect();
        stream(seed, "world words", 0, 0).shuffle(&mut trained);
        let held = trained.split_off(trained.len() - trained.len() / HELD_SHARE);
        Self {
            trained,
            held,
            seed,
        }
    }

    /// A name for a note of the training data: a word, or a pair that is not held out.
    pub(super) fn trained(&self, draw: &mut Stream) -> String {
        if draw.uniform() < 0.3 {
            return (*one_of(draw, &self.trained)).to_owned();
        }
        self.pair(draw, false)
    }

    /// A name for a note of a test set: no note of the training data has it.
    pub(super) fn held(&self, draw: &mut Stream) -> String {
        if draw.uniform() < 0.5 {
            return self.pair(draw, true);
        }
        let held = *one_of(draw, &self.held);
        match draw.below(3) {
            0 => held.to_owned(),
            1 => format!("{held}_{}", one_of(draw, &self.trained)),
            _ => format!("{}_{held}", one_of(draw, &self.trained)),
        }
    }

    /// Any word or pair, for texts without a note on an update: there every word may occur.
    pub(super) fn any(&self, draw: &mut Stream) -> String {
        if draw.uniform() < 0.5 {
            self.held(draw)
        } else {
            self.trained(draw)
        }
    }

    /// Whether a name is held out for the test sets.
    #[cfg(test)]
    pub(super) fn is_held(&self, name: &str) -> bool {
        name.split('_').any(|word| self.held.contains(&word))
            || name
                .split_once('_')
                .is_some_and(|(first, second)| self.is_held_pair(first, second))
    }

    fn pair(&self, draw: &mut Stream, held: bool) -> String {
        loop {
            let (first, second) = (*one_of(draw, &self.trained), *one_of(draw, &self.trained));
            if first != second && self.is_held_pair(first, second) == held {
                return format!("{first}_{second}");
            }
        }
    }

    fn is_held_pair(&self, first: &str, second: &str) -> bool {
        let purpose = format!("world pair {first} {second}");
        stream(self.seed, &purpose, 0, 0)
            .next_u64()
            .is_multiple_of(HELD_PAIRS)
    }
}

/// One of the items, drawn uniformly.
pub(super) fn one_of<'a, T>(draw: &mut Stream, items: &'a [T]) -> &'a T {
    &items[draw.below(items.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_on_both_sides() {
        let names = Names::new(7);
        let mut draw = stream(7, "test", 0, 0);
        let trained: BTreeSet<_> = (0..20_000).map(|_| names.trained(&mut draw)).collect();
        let held: BTreeSet<_> = (0..20_000).map(|_| names.held(&mut draw)).collect();

        assert!(trained.is_disjoint(&held));
        assert!(held.iter().all(|name| names.is_held(name)));
        assert!(!trained.iter().any(|name| names.is_held(name)));
    }

    #[test]
    fn words_differ_from_each_other() {
        let words: Vec<_> = WORDS.split_whitespace().collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        for api in crate::world::api::UNIVERSE.iter() {
            let said = format!("{} {} {}", api.path, api.says, api.parameters.join(" "));
            for word in said.split(|letter: char| !letter.is_ascii_alphabetic()) {
                assert!(!words.contains(&word), "{word} of {}", api.path);
            }
        }
    }
}
