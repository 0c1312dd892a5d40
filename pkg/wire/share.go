package wire

import "encoding/binary"

// WholeShare is a share of all, and a demand for all, of a user's budget.
const WholeShare = 1_000_000

// Demand tells the owner of a user what the user would send by way of one gateway.
type Demand struct {
	Key    string // the user's
	Demand uint32 // messages a second, in WholeShare-ths of the user's rate
}

// AppendDemand appends a Demand record.
func AppendDemand(b []byte, d *Demand) []byte {
	b, at := begin(b, KindDemand)
	b = appendBytes(b, d.Key)
	return end(binary.LittleEndian.AppendUint32(b, d.Demand), at)
}

// Decode reads the body of a record; Key aliases it.
func (d *Demand) Decode(body []byte) error {
	c := cursor{b: body}
	*d = Demand{Key: c.str(), Demand: c.u32()}
	return c.err()
}

// Share tells a gateway its part of a user's budget.
type Share struct {
	Loops    uint64 // as Deliver.Loops: where the user is, or was
	Key      string // the user's
	Share    uint32 // in WholeShare-ths
	Gateways uint16 // among how many it is divided; 1: the user is nowhere else
	Unknown  bool   // the owner has heard of no demand from here
}

// AppendShare appends a Share record.
func AppendShare(b []byte, s *Share) []byte {
	b, at := begin(b, KindShare)
	b = binary.LittleEndian.AppendUint64(b, s.Loops)
	b = appendBytes(b, s.Key)
	b = binary.LittleEndian.AppendUint32(b, s.Share)
	b = binary.LittleEndian.AppendUint16(b, s.Gateways)
	return end(append(b, flag(s.Unknown, 1)), at)
}

// Decode reads the body of a record; Key aliases it.
func (s *Share) Decode(body []byte) error {
	c := cursor{b: body}
	*s = Share{Loops: c.u64(), Key: c.str(), Share: c.u32(), Gateways: c.u16(), Unknown: c.u8()&1 != 0}
	return c.err()
}
