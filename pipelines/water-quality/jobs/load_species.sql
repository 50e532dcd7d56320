-- What a species is called, and how many there are; other columns of the file are left out.
select `UniqueID` as `UniqueID`, trim(`SpeciesName`) as `SpeciesName`, `PopulationCount` as `PopulationCount`
from input
where `UniqueID` is not null and `SpeciesName` is not null
