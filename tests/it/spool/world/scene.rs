//! A life from one start of the process on, so that what lies before it is lived once.

use super::super::script::Step;
use super::World;

pub(crate) struct Scene {
    /// Before the start.
    world: World,
    /// From the start to the end of the life.
    pub(crate) steps: Vec<Step>,
    /// Calls until the next start, or the end.
    pub(crate) calls: u64,
}

impl Scene {
    /// The scenes of a life in which nothing goes wrong.
    pub(crate) fn all(steps: &[Step]) -> Vec<Scene> {
        Scene::all_of(World::new("in peace"), steps)
    }

    /// The scenes of a life that begins in `world`.
    pub(crate) fn all_of(mut world: World, steps: &[Step]) -> Vec<Scene> {
        let mut scenes = Vec::new();
        let mut rest = steps;
        loop {
            let start = rest.iter().position(|step| *step == Step::Restart);
            let before = world.fork();
            world.run(&rest[..start.unwrap_or(rest.len())]);
            scenes.push(Scene {
                world: before,
                steps: rest.to_vec(),
                calls: world.fate.calls(),
            });
            let Some(start) = start else {
                return scenes;
            };
            rest = &rest[start + 1..];
            world = world.fork();
        }
    }

    /// A world in which it can begin.
    pub(crate) fn begin(&self, context: &str) -> World {
        let mut world = self.world.fork();
        context.clone_into(&mut world.context);
        world
    }

    /// Lives until the process ends before call `at`.
    pub(crate) fn ended(&self, context: &str, at: u64) -> World {
        let mut world = self.begin(context);
        world.fate.end(at);
        world.run(&self.steps);
        assert!(world.fate.has_ended(), "{context}");
        world
    }
}
